"""Semantics 3.5: sums are exact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kairos import CountOverflow, InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, T0, at
from kairos_conformance._store import Store

__all__ = ["CountTests"]

LARGEST, SMALLEST = 2**63 - 1, -(2**63)


class CountTests(SuiteBase):
    """Running totals."""

    def test_ints_add_up_exactly(self, store: Store) -> None:
        """Ints within 64 bits add up exactly, one by one and in a batch (semantics 3.5).

        Look at: sums that pass through a float.
        """
        sums = [(LARGEST,), (SMALLEST,), (2**62, 2**62 - 1), (2**53, 1), (LARGEST, SMALLEST), (LARGEST, -1, 1), (-5, 3)]
        ts = store.open("count")
        for increments in sums:
            for increment in increments:
                ts.insert(f"one by one {increments}", increment, timestamp=T0)
        ts.bulk_insert({T0: {f"batch {increments}": list(increments) for increments in sums}})
        for increments in sums:
            for name in (f"one by one {increments}", f"batch {increments}"):
                (found,) = ts.get(name, "minute", timestamp=T0).values()
                assert (found, type(found)) == (sum(increments), int), name

    def test_a_sum_past_64_bits_is_an_error(self, store: Store) -> None:
        """An addition that would take a count out of 64 bits raises, an OverflowError, and changes nothing (semantics
        3.5; capability ``checked_counts``). An increment past 64 bits is a ValueError everywhere.

        Look at: silent promotion to float (SQLite), wrapping, an error of the driver that passes bare, or one that is
        caught and not raised again.
        """
        ts = store.open("count", BOTH)
        for increment in (2**63, -(2**63) - 1, 10**30, [LARGEST, 1]):
            with pytest.raises(InvalidValue):
                ts.insert("a", increment, timestamp=T0)
        assert ts.list() == []
        if not store.capabilities.checked_counts:
            return
        for name, start, increment in (("up", LARGEST - 1, 2), ("down", SMALLEST + 1, -2)):
            ts.insert(name, start, timestamp=T0)
            with pytest.raises(OverflowError) as caught:
                ts.insert(name, increment, timestamp=T0)
            assert isinstance(caught.value, CountOverflow)
            assert ts.get(name, "minute", timestamp=T0) == {T0: start}
            ts.insert(name, increment // 2, timestamp=T0)
            assert ts.get(name, "hour", timestamp=T0) == {T0: start + increment // 2}

    def test_a_failed_batch_leaves_no_part_behind(self, store: Store) -> None:
        """Where batches are atomic, one that fails leaves nothing behind (semantics 3.7; capability ``atomic_batch``).

        Look at: a batch that is sent in pieces, each committed by itself.
        """
        ts = store.open("count")
        ts.insert("z", LARGEST, timestamp=T0)
        if not (store.capabilities.atomic_batch and store.capabilities.checked_counts):
            return
        with pytest.raises(OverflowError):
            ts.bulk_insert([*((f"n{number}", 1, T0) for number in range(600)), ("z", 1, T0), ("zz", 1, T0)])
        assert ts.list() == ["z"]
        assert ts.get("z", "minute", timestamp=T0) == {T0: LARGEST}

    def test_floats_or_their_refusal(self, store: Store) -> None:
        """Ints and floats mix where the backend can; else a float is a ValueError and nothing is written (semantics
        3.5; capability ``float_counts``).

        Look at: the type of the column or the command that adds.
        """
        ts = store.open("count")
        if not store.capabilities.float_counts:
            for value in (0.5, 2.0, [1, 0.5]):
                with pytest.raises(InvalidValue):
                    ts.insert("a", value, timestamp=T0)
            assert ts.list() == []
            return
        ts.insert("a", 1, timestamp=T0)
        ts.insert("a", 0.5, timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 1.5}
        ts.insert("a", 3, timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 4.5}
        ts.insert("a", [0.25, 0.25], timestamp=T0)
        (found,) = ts.get("a", "minute", timestamp=T0).values()
        assert found == 5
        assert type(found) is int
        ts.insert("large", 2**62, timestamp=T0)
        ts.insert("large", 0.5, timestamp=T0)
        ts.insert("large", -(2**61), timestamp=T0)
        assert ts.get("large", "minute", timestamp=T0) == {T0: pytest.approx(2**61, rel=1e-12)}
        ts.insert("huge", 1e300, timestamp=T0)
        ts.insert("huge", 1, timestamp=T0)
        assert ts.get("huge", "minute", timestamp=T0) == {T0: pytest.approx(1e300, rel=1e-12)}

    def test_float_sums_agree(self, store: Store) -> None:
        """Sums of floats agree between stores to a relative error of 1e-12 (semantics 3.5).

        Look at: floats that are stored as text with too few digits, or in single precision.
        """
        if not store.capabilities.float_counts:
            return
        ts = store.open("count")
        for number in range(60):
            ts.bulk_insert([("a", 0.1, T0), ("b", 1 / 3 if number % 2 else -1 / 7, T0)])
        ts.insert("c", 1.1e-300, timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: pytest.approx(6, rel=1e-12)}
        assert ts.get("b", "minute", timestamp=T0) == {T0: pytest.approx(10 - 30 / 7, rel=1e-12)}
        assert ts.get("c", "minute", timestamp=T0) == {T0: pytest.approx(1.1e-300, rel=1e-12, abs=0)}

    def test_zero_makes_the_bucket(self, store: Store) -> None:
        """Adding 0 makes the bucket (semantics 3.5).

        Look at: a backend that takes 0 for no data.
        """
        ts = store.open("count", BOTH)
        ts.insert("a", 0, timestamp=T0)
        ts.insert("b", 5, timestamp=T0)
        ts.insert("b", -5, timestamp=T0)
        assert ts.list() == ["a", "b"]
        for name in ("a", "b"):
            assert ts.properties(name) == {key: {"first": T0, "last": T0} for key in BOTH}
            assert ts.get(name, "hour", timestamp=T0) == {T0: 0}
            assert list(ts.iterate(name, "minute")) == [(T0, 0)]
            assert ts.delete(name) == 2

    def test_what_is_no_number_is_refused(self, store: Store) -> None:
        """A count grows by finite ints and floats only; anything else is a ValueError and nothing is written (semantics
        3.4, 3.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("count")
        bad: list[Any] = ["1", b"1", Decimal("1.5"), float("nan"), float("inf"), float("-inf"), 1j, {}]
        for value in bad:
            with pytest.raises(InvalidValue):
                ts.insert("a", value, timestamp=T0)
            with pytest.raises(InvalidValue):
                ts.bulk_insert([("b", 1, T0), ("a", [1, value], T0)])
        assert ts.list() == []

    def test_read_func_gets_the_sum(self, store: Store) -> None:
        """``read_func`` is applied to a count, after the sum became an int if it is integral (semantics 3.5).

        Look at: the type of what `Backend.read` gives for a counter.
        """
        seen: list[Any] = []

        def halve(total: Any) -> float:
            seen.append((total, type(total)))
            return float(total) / 2

        ts = store.open("count", read_func=halve)
        ts.insert("a", [2, 1], timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 1.5}
        assert seen == [(3, int)]

    def test_many_small_additions(self, store: Store) -> None:
        """Every addition counts, once (semantics 3.5).

        Look at: read-modify-write where the store could add.
        """
        ts = store.open("count", {"year": {"step": "yearly", "resolution": "daily"}})
        for number in range(50):
            ts.insert("a", number, timestamp=T0 + 7200 * number)
        assert ts.get("a", "year", timestamp=T0, condense=True) == {T0: sum(range(50))}
        assert ts.get("a", "year", timestamp=T0)[at(2013, 1, 2)] == sum(range(12, 24))
