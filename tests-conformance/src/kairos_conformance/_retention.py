"""Semantics 1.5: what is visible is decided by the core, from the bucket, the reader's configuration and one clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import kairos
from kairos import Written
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import EMPTY, KINDS, T0, at, every_kind, holding
from kairos_conformance._store import Client, Store

__all__ = ["RetentionTests"]


def fill(ts: Client, store: Store, count: int, *, name: str = "a", steps: int = 1) -> list[int]:
    """Insert 1, 2, … into the ``count`` newest buckets, the oldest first; gives the starts of the buckets."""
    step = store.quiet_step * steps
    now = int(store.clock.now)
    starts = [now - now % step - step * back for back in range(count - 1, -1, -1)]
    ts.bulk_insert([(name, value, start) for value, start in enumerate(starts, start=1)])
    return starts


class RetentionTests(SuiteBase):
    """Old data stops being visible."""

    @every_kind
    def test_the_newest_steps_are_visible(self, store: Store, kind: str) -> None:
        """With ``steps`` the newest ``steps`` intervals are visible, in every verb; a clipped bucket reads as no data
        and stays in the range (semantics 1.5).

        Look at: cutoffs that a verb of the backend ignores, or applies off by one.
        """
        step = store.quiet_step
        starts = fill(store.open(kind, {"i": {"step": step}}), store, 5)
        ts = store.open(kind, {"i": {"step": step, "steps": 3}})
        expected = dict.fromkeys(starts[:2], EMPTY[kind])
        expected |= {start: holding(kind, value) for value, start in enumerate(starts[2:], start=3)}
        assert ts.series("a", "i", start=starts[0], end=starts[-1]) == expected
        assert ts.series("a", "i", start=starts[0], end=starts[1]) == {starts[0]: EMPTY[kind], starts[1]: EMPTY[kind]}
        assert ts.get("a", "i", timestamp=starts[1]) == {starts[1]: EMPTY[kind]}
        assert ts.get("a", "i", timestamp=starts[2]) == {starts[2]: holding(kind, 3)}
        assert list(ts.iterate("a", "i")) == list(expected.items())[2:]
        assert ts.properties("a") == {"i": {"first": starts[2], "last": starts[4]}}
        assert ts.series(["a", "b"], "i", start=starts[1], end=starts[2]) == {
            starts[1]: EMPTY[kind],
            starts[2]: holding(kind, 3),
        }
        assert ts.delete("a") == 3

    @every_kind
    def test_data_vanishes_when_its_time_comes(self, store: Store, kind: str) -> None:
        """A bucket is visible until the second at which the bucket ``steps`` later begins, and from then on in no verb
        (semantics 1.5).

        Look at: cutoffs that a verb ignores, ``expires_at`` computed from the time of writing, or a comparison that is
        off by one.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 2}})
        start = fill(ts, store, 1)[0]
        store.clock.now = start + 2 * step - 0.5
        assert ts.list() == ["a"]
        assert ts.get("a", "i", timestamp=start) == {start: holding(kind, 1)}
        assert ts.properties("a") == {"i": {"first": start, "last": start}}
        store.clock.now = start + 2 * step
        assert ts.list() == []
        assert ts.get("a", "i", timestamp=start) == {start: EMPTY[kind]}
        assert ts.series("a", "i", start=start, end=start + step) == {start: EMPTY[kind], start + step: EMPTY[kind]}
        assert list(ts.iterate("a", "i")) == []
        assert ts.properties("a") == {}
        assert ts.delete("a") == 0

    @every_kind
    def test_a_fine_interval_vanishes_as_a_whole(self, store: Store, kind: str) -> None:
        """Retention counts intervals, not resolution buckets (semantics 1.5).

        Look at: an expiry that is computed from the resolution bucket.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 2, "resolution": 60}})
        start = fill(ts, store, 1)[0]
        early, late = start - start % 60, start + step - 60 - (start + step) % 60
        ts.insert("a", 2, timestamp=late)
        store.clock.now = start + 2 * step - 1
        assert ts.get("a", "i", timestamp=start) == {early: holding(kind, 1), late: holding(kind, 2)}
        assert ts.delete("a") == 2
        ts.insert("a", 3, timestamp=late)
        store.clock.now = start + 2 * step
        assert ts.get("a", "i", timestamp=start) == {}
        assert list(ts.iterate("a", "i")) == []

    @every_kind
    def test_what_cannot_be_kept_for_so_long_is_refused(self, store: Store, kind: str) -> None:
        """Data that is to expire may lie in any future, unless the store keeps it for a limited time: then an interval
        that asks for more is a ConfigurationError, and a timestamp too far in the future a ValueError that names it,
        before anything is written (semantics 1.5; capability ``max_life``).

        Look at: ``expires_at`` that the store takes for something else, and what ``capabilities`` declares for a kind.
        """
        now = int(store.clock.now)
        ts = store.open(kind, {"i": {"step": "1d", "steps": 10}})
        limit = ts.capabilities.max_life
        days = 40 * 365 if limit is None else limit // 86_400
        future = now + 86_400 * (days + 1)
        if limit is None:
            assert store.open(kind, {"i": {"step": "1d", "steps": days}}).list() == []
            ts.insert("a", 1, timestamp=future)
            assert ts.get("a", "i", timestamp=future) == {future - future % 86_400: holding(kind, 1)}
            return
        for steps in (days + 1, 10**9):
            with pytest.raises(kairos.ConfigurationError, match=r"^intervals\['i'\]\.steps: "):
                store.open(kind, {"i": {"step": "1d", "steps": steps}})
        store.open(kind, {"i": {"step": "1d", "steps": days}, "all": {"step": "1d"}}).insert("a", 1, timestamp=now)
        with pytest.raises(ValueError, match=f"timestamp {future}"):
            ts.bulk_insert([("b", 1, now), ("b", 1, future)])
        assert ts.list() == ["a"]
        ts.insert("b", 1, timestamp=now + 86_400 * (days - 11))
        store.open(kind, {"all": {"step": "1d"}}).insert("c", 1, timestamp=future)

    def test_the_configuration_of_the_reader_decides(self, store: Store) -> None:
        """What is visible is decided by the configuration of whoever reads, not by that of the writer (semantics 1.5).

        Look at: a read that filters by the stored ``expires_at`` instead of the cutoffs that it is given.
        """
        step = store.quiet_step
        starts = fill(store.open("count", {"i": {"step": step, "steps": 100}}), store, 5)
        for steps in (1, 2, 4):
            ts = store.open("count", {"i": {"step": step, "steps": steps}})
            found = ts.series("a", "i", start=starts[0], end=starts[-1])
            assert [start for start, n in found.items() if n] == starts[-steps:]
            assert ts.properties("a") == {"i": {"first": starts[-steps], "last": starts[-1]}}

    def test_the_clock_is_read_once_per_verb(self, store: Store) -> None:
        """Everything that one verb does, it does at one moment (semantics 1.5).

        Look at: the other failures first: it gets cutoffs and knows no clock.
        """
        ts = store.open("count", {"i": {"step": store.quiet_step, "steps": 3}})
        calls: list[Callable[[], Any]] = [
            lambda: ts.insert("a"),
            lambda: ts.bulk_insert([("a", 1, None), ("b", 1, None)]),
            lambda: ts.get(["a", "b"], "i"),
            lambda: ts.series("a", "i"),
            lambda: list(ts.iterate("a", "i")),
            ts.list,
            lambda: ts.properties("a"),
            lambda: ts.delete("a"),
        ]
        for number, call in enumerate(calls):
            before = store.clock.readings
            call()
            assert store.clock.readings - before == 1, f"call number {number}"

    @every_kind
    def test_an_insert_into_the_past_is_counted_and_not_sent(self, store: Store, kind: str) -> None:
        """A point whose bucket is already past is reported as expired, and does not come back under a reader who would
        see it (semantics 1.5, 3.2).

        Look at: the other failures first: the core does not send these cells.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 2}, "forever": {"step": step}})
        past = int(store.clock.now) - 2 * step
        assert ts.insert("a", 1, timestamp=past) == Written(points=1, cells=1, expired=1)
        start = past - past % step
        everything = store.open(kind, {"i": {"step": step}, "forever": {"step": step}})
        assert everything.get("a", "i", timestamp=past) == {start: EMPTY[kind]}
        assert everything.get("a", "forever", timestamp=past) == {start: holding(kind, 1)}
        assert everything.properties("a") == {"forever": {"first": start, "last": start}}

    @every_kind
    def test_a_late_insert_changes_no_life(self, store: Store, kind: str) -> None:
        """When a bucket expires depends on nothing but the bucket: a late insert does not shorten its life, and a
        repeated one does not lengthen it (semantics 1.5).

        Look at: ``expires_at`` of a cell that is written again, and how `expire` uses it for intervals that the caller
        has not configured. With native expiry: the time to live that the backend hands to its server.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 3}})
        start = fill(ts, store, 1)[0]
        for later in (1, 2):
            store.clock.now = start + later * step
            ts.insert("a", later + 1, timestamp=start)
        other = store.open(kind, {"other": {"step": step}})
        everything = store.open(kind, {"i": {"step": step}})
        native = store.expires_natively(kind)
        store.clock.now = start + 3 * step - 1
        assert ts.get("a", "i", timestamp=start) == {start: holding(kind, 1, 2, 3)}
        if not native:
            assert other.expire() == 0
            assert everything.get("a", "i", timestamp=start) == {start: holding(kind, 1, 2, 3)}
        store.clock.now = start + 3 * step
        assert ts.get("a", "i", timestamp=start) == {start: EMPTY[kind]}
        if not native:
            assert other.expire() == 1
            assert everything.get("a", "i", timestamp=start) == {start: EMPTY[kind]}

    @every_kind
    def test_the_future_may_be_written(self, store: Store, kind: str) -> None:
        """Timestamps in the future are allowed, and visible at once (semantics 1.5).

        Look at: a range that ends at now, or a time to live that the server refuses.
        """
        step = store.quiet_step
        ts = store.open(kind, {"i": {"step": step, "steps": 2}})
        soon = int(store.clock.now) + 5 * 365 * 86_400
        start = soon - soon % step
        ts.insert("a", 1)
        ts.insert("a", 2, timestamp=soon)
        assert ts.get("a", "i", timestamp=soon) == {start: holding(kind, 2)}
        assert ts.properties("a")["i"]["last"] == start
        store.clock.now = start + step
        assert ts.list() == ["a"]
        assert ts.series("a", "i") == {start: holding(kind, 2), start + step: EMPTY[kind]}

    def test_each_interval_has_a_retention_of_its_own(self, store: Store) -> None:
        """A name is there as long as one of its intervals is (semantics 1.5, 4.7).

        Look at: `names` and `bounds`, which get one cutoff per interval.
        """
        step = store.quiet_step
        ts = store.open("count", {"short": {"step": step, "steps": 1}, "long": {"step": step, "steps": 3}})
        start = fill(ts, store, 1)[0]
        store.clock.advance(step)
        ts.insert("b")
        assert ts.list() == ["a", "b"]
        assert ts.properties("a") == {"long": {"first": start, "last": start}}
        assert list(ts.iterate("a", "short")) == []
        store.clock.advance(2 * step)
        assert ts.list() == ["b"]

    def test_calendar_intervals_expire_by_the_calendar(self, store: Store) -> None:
        """The life of a month is counted in months, not in thirty days (semantics 1.5).

        Look at: a time to live computed from a nominal length.
        """
        ts = store.open("count", {"month": {"step": "monthly", "steps": 2}})
        year = datetime.fromtimestamp(store.clock.now, UTC).year + 1
        ts.insert("a", timestamp=at(year, 1, 5))
        store.clock.now = at(year, 3) - 1
        assert ts.properties("a") == {"month": {"first": at(year), "last": at(year)}}
        store.clock.now = at(year, 3)
        assert ts.list() == []

    def test_further_intervals_obey_the_retention(self, store: Store) -> None:
        """``intervals=-n`` writes no bucket that is already past (semantics 1.5, 3.1).

        Look at: the other failures first, since this is the core's work.
        """
        step = store.quiet_step
        ts = store.open("count", {"i": {"step": step, "steps": 3}})
        assert ts.insert("a", intervals=-4) == Written(points=1, cells=3, expired=2)
        now = int(store.clock.now)
        assert list(ts.series("a", "i").values()) == [1, 1, 1]
        assert ts.properties("a")["i"]["first"] == now - now % step - 2 * step

    def test_without_steps_nothing_expires(self, store: Store) -> None:
        """Without ``steps`` intervals are kept in perpetuity (semantics 1.5).

        Look at: a default time to live.
        """
        ts = store.open("count")
        ts.insert("a", timestamp=T0)
        store.clock.advance(400 * 365 * 86_400)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 1}
        assert ts.list() == ["a"]

    @pytest.mark.full
    def test_the_server_removes_what_is_past(self, store: Store) -> None:
        """Where the server expires by itself, it removes what is past, so that the store does not grow for ever
        (semantics 1.5; capability ``native_expiry``). It needs `Harness.stored`, and real time.

        Look at: ``expires_at`` of the cells, as the server understood it, and indexes of names and buckets.
        """
        kinds = [kind for kind in KINDS if store.expires_natively(kind)]  # all wait at the same time
        if not kinds:
            pytest.skip("native_expiry is not declared; expire() is checked elsewhere")
        if store.harness.stored(kinds[0], store.namespace) is None:
            pytest.skip("this harness cannot say what is stored")
        config = {"i": {"step": 1, "steps": 5}}  # long enough to be seen
        opened = {kind: store.open(kind, config, clock=time.time) for kind in kinds}
        for kind, ts in opened.items():
            ts.insert("a", 1, intervals=1)
            assert store.harness.stored(kind, store.namespace) == 2, kind
        deadline = time.monotonic() + store.harness.patience
        while left := [kind for kind in kinds if store.harness.stored(kind, store.namespace)]:
            assert time.monotonic() < deadline, f"the server keeps what is past: {left}"
            time.sleep(0.1)
        assert [kind for kind, ts in opened.items() if ts.list()] == []

    @every_kind
    def test_expire_or_its_refusal(self, store: Store, kind: str) -> None:
        """`expire` removes what is past, and only that; where the server does so by itself, it raises
        UnsupportedOperation, a NotImplementedError (semantics 5; capability ``native_expiry``).

        Look at: `Backend.expire`, or ``native_expiry`` in the capabilities.
        """
        step = store.quiet_step
        everything = store.open(kind, {"i": {"step": step}})
        starts = fill(everything, store, 5)
        fill(everything, store, 5, name="b")
        ts = store.open(kind, {"i": {"step": step, "steps": 2}})
        if store.expires_natively(kind):
            with pytest.raises(NotImplementedError):
                ts.expire("a")
            with pytest.raises(NotImplementedError):
                ts.expire()
            return
        before = ts.series("a", "i", start=starts[0], end=starts[-1])
        assert ts.expire("a") == 3
        assert ts.expire("a") == 0
        assert ts.series("a", "i", start=starts[0], end=starts[-1]) == before
        assert everything.properties("a") == {"i": {"first": starts[3], "last": starts[4]}}
        assert everything.properties("b") == {"i": {"first": starts[0], "last": starts[4]}}
        assert ts.expire(limit=2) == 2
        assert ts.expire(limit=2) == 1
        assert ts.expire(limit=2) == 0
        assert everything.properties("b") == everything.properties("a")
        assert store.harness.stored(kind, store.namespace) in {None, 4}
