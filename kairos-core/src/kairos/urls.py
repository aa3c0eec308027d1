"""URLs without their secrets, for errors, logs and reprs."""

from __future__ import annotations

import re

__all__ = ["redact"]

# Everything between the first colon of the user part and the last "@" before the path: a password may itself hold
# an "@" or a "/" that its owner forgot to quote.
_PASSWORD = re.compile(r"(?P<head>://[^:@/?#\s]*):[^\s]*@")
_QUERY = re.compile(r"(?P<head>[?&;][^=&\s]*(?:pass|pwd|secret|token|key)[^=&\s]*=)[^&\s]*", re.IGNORECASE)


def redact(text: str) -> str:
    """The text with every password in a URL, in its user part or its query, replaced by ``***``."""
    return _QUERY.sub(r"\g<head>***", _PASSWORD.sub(r"\g<head>:***@", text))
