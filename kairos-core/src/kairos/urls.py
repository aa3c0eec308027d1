"""URLs without their secrets, for errors, logs and reprs."""

from __future__ import annotations

import re

__all__ = ["redact"]

# Up to the last "@": a password may itself hold an "@", a "/" or a "#" that its owner forgot to quote. A query may hold
# a secret under any name.
_USER = re.compile(r"://.*@", re.DOTALL)
_QUERY = re.compile(r"(://[^?\s]*\?)\S+")


def redact(text: str) -> str:
    """The text with the user part and the query of a URL in it replaced by ``***``."""
    return _QUERY.sub(r"\1***", _USER.sub("://***@", text))
