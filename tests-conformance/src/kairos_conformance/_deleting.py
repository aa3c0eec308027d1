"""Semantics 5: deleting."""

from __future__ import annotations

from typing import Any

import pytest

from kairos import InvalidValue, UnknownInterval, UnsupportedOperation
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, MINUTE, T0, every_kind, holding
from kairos_conformance._store import Client, Store

__all__ = ["DeletingTests"]


def fill(ts: Client) -> None:
    """Six minutes of "a" (two of them in the second hour), one of "b"."""
    ts.bulk_insert([("a", number, T0 + 60 * number) for number in (0, 1, 2, 3, 60, 61)])
    ts.insert("b", 9, timestamp=T0)


class DeletingTests(SuiteBase):
    """What is gone."""

    @every_kind
    def test_delete_removes_a_name(self, store: Store, kind: str) -> None:
        """`delete` removes a name from all intervals, leaves the others alone, and returns how many cells it removed;
        0 if there were none (semantics 5).

        Look at: `Backend.delete`, and its count of cells (interval, bucket, resolution).
        """
        ts = store.open(kind, BOTH)
        fill(ts)
        assert ts.delete("nobody") == 0
        assert ts.delete("a") == 12
        assert ts.delete("a") == 0
        assert ts.list() == ["b"]
        assert ts.properties("a") == {}
        assert ts.get("a", "minute", timestamp=T0) == {T0: EMPTY[kind]}
        assert ts.series("a", "hour", start=T0, end=T0 + 3600) == {T0: {}, T0 + 3600: {}}
        assert list(ts.iterate("a", "minute")) == []
        assert ts.get("b", "minute", timestamp=T0) == {T0: holding(kind, 9)}

    @every_kind
    def test_after_a_delete_things_count_from_nothing(self, store: Store, kind: str) -> None:
        """What is inserted again after a delete knows nothing of what was there (semantics 5).

        Look at: tombstones, and counters that a server remembers.
        """
        ts = store.open(kind, BOTH)
        for _ in range(3):
            fill(ts)
            assert ts.delete("a") == 12
        ts.insert("a", 4, timestamp=T0 + 60)
        assert ts.series("a", "minute", start=T0, end=T0 + 120) == {
            T0: EMPTY[kind],
            T0 + 60: holding(kind, 4),
            T0 + 120: EMPTY[kind],
        }
        assert ts.get("a", "hour", timestamp=T0) == {T0 + 60: holding(kind, 4)}
        assert ts.properties("a")["minute"] == {"first": T0 + 60, "last": T0 + 60}
        assert ts.delete("a") == 2

    @every_kind
    def test_delete_counts_configured_intervals_and_removes_all(self, store: Store, kind: str) -> None:
        """`delete` removes the name from every stored interval, and counts the cells of those that are configured
        (semantics 5).

        Look at: a `Selector` whose spans are None, and what is not among its cutoffs.
        """
        everything = store.open(kind, BOTH)
        fill(everything)
        assert store.open(kind, MINUTE).delete("a") == 6
        assert everything.properties("a") == {}
        assert everything.list() == ["b"]

    @every_kind
    def test_delete_counts_what_was_visible(self, store: Store, kind: str) -> None:
        """`delete` removes what is past too, and does not count it (semantics 1.5, 5).

        Look at: the cutoffs of a `Selector`.
        """
        step = store.quiet_step
        now = int(store.clock.now)
        start = now - now % step
        everything = store.open(kind, {"i": {"step": step}})
        everything.bulk_insert([("a", number, start - number * step) for number in range(5)])
        assert store.open(kind, {"i": {"step": step, "steps": 2}}).delete("a") == 2
        assert everything.properties("a") == {}

    @every_kind
    def test_delete_all(self, store: Store, kind: str) -> None:
        """`delete_all` removes all names from all intervals, configured or not, and returns None (semantics 5).

        Look at: a `Selector` whose name is None.
        """
        everything = store.open(kind, BOTH)
        fill(everything)
        ts = store.open(kind, MINUTE)
        assert ts.delete_all() is None
        assert everything.list() == ts.list() == []
        assert everything.properties("a") == {}
        assert everything.get(["a", "b"], "minute", timestamp=T0) == {T0: EMPTY[kind]}
        assert ts.delete_all() is None
        ts.insert("a", 3, timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 3)}

    @every_kind
    def test_a_narrowed_delete_or_its_refusal(self, store: Store, kind: str) -> None:
        """``interval=``, ``start=`` and ``end=`` narrow a delete to buckets, both ends included; where the backend does
        not declare it, it raises UnsupportedOperation and removes nothing (semantics 5; capability ``narrow_delete``).

        Look at: the spans of a `Selector`.
        """
        ts = store.open(kind, BOTH)
        fill(ts)
        if not store.can_narrow(kind):
            for narrowing in ({"interval": "minute"}, {"start": T0}, {"end": T0}, {"start": T0, "end": T0}):
                with pytest.raises(UnsupportedOperation) as caught:
                    ts.delete("a", **narrowing)
                assert isinstance(caught.value, NotImplementedError)
            assert ts.delete("a") == 12
            return
        assert ts.delete("a", interval="minute", start=T0 + 90, end=T0 + 120) == 2
        assert [moment for moment, _ in ts.iterate("a", "hour")] == [T0 + 60 * n for n in (0, 1, 2, 3, 60, 61)]
        assert ts.series("a", "minute", start=T0, end=T0 + 180) == {
            T0: holding(kind, 0),
            T0 + 60: EMPTY[kind],
            T0 + 120: EMPTY[kind],
            T0 + 180: holding(kind, 3),
        }
        assert ts.delete("a", interval="minute", start=T0 + 60, end=T0 + 120) == 0
        assert ts.delete("a", interval="minute", end=T0) == 1
        assert ts.properties("a")["minute"] == {"first": T0 + 180, "last": T0 + 3660}
        assert ts.delete("a", interval="minute", start=T0 + 3660) == 1
        assert ts.properties("a") == {
            "minute": {"first": T0 + 180, "last": T0 + 3600},
            "hour": {"first": T0, "last": T0 + 3600},
        }
        assert ts.delete("a", interval="hour") == 6
        assert ts.properties("a") == {"minute": {"first": T0 + 180, "last": T0 + 3600}}
        assert ts.delete("a", start=T0 + 3600) == 1
        assert ts.list() == ["a", "b"]
        assert ts.delete("a", end=T0 + 3600) == 1
        assert ts.list() == ["b"]
        ts.insert("a", 5, timestamp=T0 + 60)
        assert ts.properties("a")["minute"] == {"first": T0 + 60, "last": T0 + 60}

    @every_kind
    def test_a_narrowed_delete_takes_whole_buckets(self, store: Store, kind: str) -> None:
        """Without ``interval=`` all configured intervals are narrowed, and of a fine one whole intervals go (semantics
        5).

        Look at: a range of resolution buckets where buckets are meant.
        """
        if not store.can_narrow(kind):
            pytest.skip("narrow_delete is not declared; its refusal is checked elsewhere")
        ts = store.open(kind, FINE)
        fill(ts)
        assert ts.delete("a", start=T0 + 120, end=T0 + 130) == 4
        assert list(ts.iterate("a", "hour")) == [(T0 + 3600, holding(kind, 60)), (T0 + 3660, holding(kind, 61))]

    def test_bad_arguments_of_a_delete(self, store: Store) -> None:
        """An unknown interval is UnknownInterval, a bad timestamp a ValueError, and nothing is removed (semantics 1.2,
        4.1, 5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("gauge")
        ts.insert("a", 1, timestamp=T0)
        if store.can_narrow("gauge"):
            with pytest.raises(UnknownInterval):
                ts.delete("a", interval="hour")
            bad: list[dict[str, Any]] = [{"start": float("nan")}, {"end": "now"}, {"start": T0 + 60, "end": T0}]
            for narrowing in bad:
                with pytest.raises(InvalidValue):
                    ts.delete("a", **narrowing)
        assert ts.list() == ["a"]

    def test_a_bad_limit_of_expire(self, store: Store) -> None:
        """``limit=`` of `expire` is a positive int (semantics 5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open("series")
        refusal = NotImplementedError if store.expires_natively("series") else InvalidValue
        for limit in (0, -1, 1.5, "1"):
            with pytest.raises(refusal):
                ts.expire(limit=limit)

    @every_kind
    def test_expire_knows_what_it_was_not_told(self, store: Store, kind: str) -> None:
        """`expire` also removes what is past in intervals that the caller has not configured, by what was stored when
        it was written (semantics 1.5, 5).

        Look at: ``expires_at`` of the cells, and an `Expiry` whose cutoffs lack their interval.
        """
        if store.expires_natively(kind):
            pytest.skip("the server expires by itself; the refusal of expire() is checked elsewhere")
        step = store.quiet_step
        writer = store.open(
            kind, {"short": {"step": step, "steps": 1}, "long": {"step": step, "steps": 9}, "all": {"step": step}}
        )
        reader = store.open(kind, {name: {"step": step} for name in ("short", "long", "all")})
        writer.insert("a", 1)
        writer.insert("b", 1)
        nightly = store.open(kind, {"unused": {"step": 60}})
        assert nightly.expire() == 0
        store.clock.advance(step)
        assert nightly.expire("a") == 1
        assert set(reader.properties("a")) == {"long", "all"}
        assert set(reader.properties("b")) == {"short", "long", "all"}
        assert nightly.expire() == 1
        store.clock.advance(8 * step)
        assert nightly.expire(limit=1) == 1
        assert nightly.expire(limit=5) == 1
        assert set(reader.properties("a")) == set(reader.properties("b")) == {"all"}
