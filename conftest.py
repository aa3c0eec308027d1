"""For the tests of all distributions."""

import gc


def pytest_collection_finish() -> None:
    """What was collected lives as long as the run: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
