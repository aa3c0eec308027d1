"""For the tests of all distributions."""

import gc
from collections import Counter
from collections.abc import Generator

import pytest

# How many tests of this module have been seen in each colour.
_SEEN = pytest.StashKey[Counter[bool]]()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives as long as the run: the garbage collector need not look through it again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Of a backend's own tests `make test` runs each in one colour, in turns, and `make test-all` in both: whoever
    drives it, a verb is the same flow. The conformance suite chooses for itself.
    """
    parameters = getattr(item, "callspec", None)
    if parameters is None:
        return
    colour = parameters.params.get("both", parameters.params.get("colour"))  # a fixture of the distribution's
    if type(colour) not in {bool, str}:
        return
    asynchronous = colour in {True, "async"}
    seen = item.listchain()[-2].stash.setdefault(_SEEN, Counter())
    seen[asynchronous] += 1
    if (seen[asynchronous] + asynchronous) % 2:
        item.add_marker("full")
