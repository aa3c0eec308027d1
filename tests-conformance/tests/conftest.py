"""How the suite is itself tested: on backends that are broken on purpose."""

import hypothesis  # noqa: F401 -- else each inner run of pytest would import it anew, which takes a second
import pytest

from kairos.registry import register
from kairos_conformance import BackendSuite

SUITE = """
from {module} import {part}
from kairos_conformance import UrlHarness


class TestBroken({part}):
    harness = UrlHarness("broken://{name}")
    harness.patience = 2
"""


@pytest.fixture
def catch(pytester):
    """Run the standard test that must find a mistake until it does, and no more than the part of the suite that has it.

    A broken backend says which test it is (``caught_by``), and ``among`` which colour and kind, if not all blocking
    ones. The failure must show the sentence of the contract.
    """

    def run(broken):
        test, among = broken.caught_by, getattr(broken, "among", "blocking")
        part = next(part for part in BackendSuite.__mro__ if test in vars(part))
        pytester.makepyfile(test_it=SUITE.format(module=part.__module__, part=part.__name__, name=broken.__name__))
        with register(broken, schemes=["broken"]):
            result = pytester.runpytest_inprocess(
                *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", f"{test} and {among}")
            )
        assert result.parseoutcomes().get("failed", 0) > 0, result.stdout.str()
        result.stdout.fnmatch_lines([f"*{test}*", "*The contract of kairos*", "*semantics*", "Look at:*"])

    return run
