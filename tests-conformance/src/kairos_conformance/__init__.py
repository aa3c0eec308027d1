"""The tests that every kairos backend must pass.

A third party's whole test file::

    from kairos_conformance import BackendSuite, UrlHarness


    class TestMine(BackendSuite):
        harness = UrlHarness("mine://localhost/")

or, without any file, ``pytest --pyargs kairos_conformance.suite --kairos-url URL``.

The names below are loaded when they are first asked for: pytest imports this package, for its plugin, in every run of
every project in whose environment it is installed, and that should cost nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kairos_conformance._backend_suite import BackendSuite
    from kairos_conformance._harness import Harness, UrlHarness
    from kairos_conformance._samples import KINDS, every_kind, holding
    from kairos_conformance._store import Client, Clock, Colour, Store

__all__ = [
    "KINDS",
    "BackendSuite",
    "Client",
    "Clock",
    "Colour",
    "Harness",
    "Store",
    "UrlHarness",
    "every_kind",
    "holding",
]

_HOMES = {
    "_backend_suite": ("BackendSuite",),
    "_harness": ("Harness", "UrlHarness"),
    "_samples": ("KINDS", "every_kind", "holding"),
    "_store": ("Client", "Clock", "Colour", "Store"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def _rewrite_asserts() -> None:
    """Let failures show their values where the plugin is not loaded, and so has not told pytest to."""
    import pytest  # noqa: PLC0415 - other processes of the suite need none of it

    modules = (module.name for module in iter_modules(__path__, f"{__name__}."))
    pytest.register_assert_rewrite(*(module for module in modules if module not in sys.modules))


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "BackendSuite":
        _rewrite_asserts()
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
