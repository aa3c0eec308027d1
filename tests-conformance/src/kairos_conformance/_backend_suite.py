"""The suite as one class."""

from __future__ import annotations

from kairos_conformance._aggregates import AggregateTests
from kairos_conformance._calendar import CalendarTests
from kairos_conformance._configuring import ConfiguringTests
from kairos_conformance._counts import CountTests
from kairos_conformance._deleting import DeletingTests
from kairos_conformance._discovery import DiscoveryTests
from kairos_conformance._hooks import HookTests
from kairos_conformance._merging import MergingTests
from kairos_conformance._names import NamesTests
from kairos_conformance._processes import ProcessTests
from kairos_conformance._reading import ReadingTests
from kairos_conformance._retention import RetentionTests
from kairos_conformance._stateful import StatefulTests
from kairos_conformance._transforms import TransformTests
from kairos_conformance._values import ValuesTests
from kairos_conformance._writing import WritingTests

__all__ = ["BackendSuite"]


# pytest runs the tests of the last base first: from the simple to all of it together.
class BackendSuite(
    StatefulTests,
    ProcessTests,
    ConfiguringTests,
    DeletingTests,
    DiscoveryTests,
    HookTests,
    AggregateTests,
    TransformTests,
    MergingTests,
    ReadingTests,
    ValuesTests,
    CountTests,
    NamesTests,
    RetentionTests,
    CalendarTests,
    WritingTests,
):
    """All standard tests. Subclass it, and say by ``harness`` where your store is."""
