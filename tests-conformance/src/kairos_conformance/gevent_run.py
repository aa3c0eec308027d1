"""The blocking tests of the suite with histograms or without a kind, in a process in which gevent has patched
everything: what it changes, the other kinds have in common with histograms.

::

    python -m kairos_conformance.gevent_run URL [arguments of pytest]
"""

from __future__ import annotations

# Before anything else is imported: what took a lock or a thread already would keep the unpatched one.
from gevent import monkey  # type: ignore[import-untyped]

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402

import pytest  # noqa: E402

__all__ = ["main"]

_CHOSEN = "blocking and not -count] and not -series]"
_WARNINGS = [
    "error",
    "ignore::pytest.PytestAssertRewriteWarning",  # this package is imported already
    "ignore:.*gevent:DeprecationWarning",  # of a driver that means to drop it, which its documentation has to say
]


def main(url: str, *arguments: str) -> int:
    """Run the suite; gives the exit code of pytest."""
    return int(
        pytest.main(
            [
                *("--pyargs", "kairos_conformance.suite", "--kairos-url", url, "-c", os.devnull),
                *("-p", "no:cacheprovider", "-q", "-m", "not full and not stateful", "-k", _CHOSEN),
                *("-o", "filterwarnings=" + "\n".join(_WARNINGS)),
                *arguments,
            ]
        )
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
