"""Semantics 4.5: transforms, by name and by callable."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kairos import InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, FINE, KINDS, MINUTE, T0, at, every_kind, holding
from kairos_conformance._store import ReadLog, Store

__all__ = ["TransformTests"]

NAMED: dict[str, dict[str, Any]] = {
    "series": {"mean": 4.5, "count": 4, "min": 2, "max": 6, "sum": 18, "rate": 4 / 60},
    "histogram": {"mean": 4.5, "count": 4, "min": 2, "max": 6, "sum": 18, "rate": {2: 1 / 60, 4: 1 / 60, 6: 2 / 60}},
    "set": {"mean": 4, "count": 3, "min": 2, "max": 6, "sum": 12, "rate": 3 / 60},
    "count": {"mean": 18, "count": 18, "min": 18, "max": 18, "sum": 18, "rate": 18 / 60},
    "gauge": {"mean": 4, "count": 4, "min": 4, "max": 4, "sum": 4, "rate": 4 / 60},
}
"""What the named transforms give for 6, 2, 6 and 4 in a minute."""


class TransformTests(SuiteBase):
    """What is computed last."""

    @every_kind
    def test_named_transforms(self, store: Store, kind: str) -> None:
        """``mean``, ``count``, ``min``, ``max``, ``sum`` and ``rate`` of each kind: a histogram weighs by its counts, a
        count and a gauge return their value (semantics 4.5).

        Look at: the types of what `Backend.read` gives (a number as text, a Decimal for a sum).
        """
        ts = store.open(kind, FINE | MINUTE)
        ts.insert("a", [6, 2, 6, 4], timestamp=T0)
        expected = NAMED[kind]
        for name in expected:
            assert ts.get("a", "minute", timestamp=T0, transform=name) == {T0: expected[name]}
        names = list(expected)
        assert ts.series("a", "minute", start=T0, end=T0, transform=names) == {T0: expected}
        assert ts.series("a", "hour", start=T0, end=T0, transform=names) == {T0: {T0: expected}}
        assert list(ts.iterate("a", "minute", transform=names)) == [(T0, expected)]
        assert ts.get(["a", "b"], "minute", timestamp=T0, transform=names) == {T0: expected}

    @every_kind
    def test_transforms_of_nothing(self, store: Store, kind: str) -> None:
        """Of empty data mean, min and max give 0, count and sum 0, and of a gauge None (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind)
        names = ["mean", "count", "min", "max", "sum", "rate"]
        empty: dict[str, Any] = dict.fromkeys(names, None if kind == "gauge" else 0)
        if kind == "histogram":
            empty["rate"] = {}
        assert ts.get("a", "minute", timestamp=T0, transform=names) == {T0: empty}

    @pytest.mark.parametrize("kind", ["series", "set", "histogram"])
    def test_sums_of_floats_are_exact(self, store: Store, kind: str) -> None:
        """Floats are added by `math.fsum` (semantics 4.5).

        Look at: single precision, or floats as text with too few digits.
        """
        values = [1e16, 1.5, -1e16, 0.1, 0.2, 0.3]
        ts = store.open(kind, value_type="float")
        ts.insert("a", values, timestamp=T0)
        total = math.fsum(values)
        assert ts.get("a", "minute", timestamp=T0, transform="sum") == {T0: total}
        assert ts.get("a", "minute", timestamp=T0, transform="mean") == {T0: total / 6}

    @every_kind
    def test_rate_is_per_second_of_what_it_covers(self, store: Store, kind: str) -> None:
        """``rate`` divides by the seconds of the bucket: the resolution's, the interval's if condensed, those of the
        whole range if collapsed (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind, FINE | {"month": {"step": "monthly"}})
        ts.insert("a", [6, 2], timestamp=T0)
        over = {"series": 2, "set": 2, "histogram": None, "count": 8, "gauge": 2}[kind]

        def rate(seconds: int) -> Any:
            return {6: 1 / seconds, 2: 1 / seconds} if over is None else over / seconds

        assert ts.get("a", "hour", timestamp=T0, transform="rate") == {T0: rate(60)}
        assert ts.get("a", "hour", timestamp=T0, condense=True, transform="rate") == {T0: rate(3600)}
        span = {"start": T0 - 3600, "end": T0 + 3600}
        assert ts.series("a", "hour", **span, collapse=True, transform="rate") == {T0 - 3600: rate(3 * 3600)}
        assert ts.get("a", "month", timestamp=T0, transform="rate") == {T0: rate(31 * 86_400)}
        assert ts.series("a", "month", start=T0, end=at(2013, 2), collapse=True, transform="rate") == {
            T0: rate(59 * 86_400)
        }

    @every_kind
    def test_a_callable_gets_the_data(self, store: Store, kind: str) -> None:
        """A callable with one required argument gets the data, one with two also the seconds that it covers; one
        without a readable signature gets the data (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind)
        ts.insert("a", [6, 2], timestamp=T0)
        data = holding(kind, 6, 2)

        def one(given: Any, *, flag: bool = True) -> Any:
            return ("one", given, flag)

        def optional(given: Any, other: int = 5) -> Any:
            return ("optional", given, other)

        def two(given: Any, seconds: int) -> Any:
            return ("two", given, seconds)

        read = {"name": "a", "interval": "minute", "timestamp": T0}
        assert ts.get(**read, transform=one) == {T0: ("one", data, True)}
        assert ts.get(**read, transform=optional) == {T0: ("optional", data, 5)}
        assert ts.get(**read, transform=two) == {T0: ("two", data, 60)}
        assert ts.get(**read, transform=type) == {T0: type(data)}
        if kind in {"series", "set", "histogram"}:
            assert ts.get(**read, transform=[max, min, len]) == {T0: {max: 6, min: 2, len: 2}}

    @every_kind
    def test_several_transforms(self, store: Store, kind: str) -> None:
        """A list, a tuple or a set of transforms gives a dict with what was given as keys, a dict of transforms one
        with its own keys; the data is read once (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        reads = ReadLog()
        ts = store.open(kind, BOTH, plugins=[reads])
        ts.insert("a", [6, 2, 6, 4], timestamp=T0)
        named, data = NAMED[kind], holding(kind, 6, 2, 6, 4)
        for several in (["sum", type, "mean"], ("sum", type, "mean"), {"sum", type, "mean"}):
            expected = {"sum": named["sum"], type: type(data), "mean": named["mean"]}
            assert ts.get("a", "minute", timestamp=T0, transform=several) == {T0: expected}
        reads.queries.clear()
        mapping = {"total": "sum", "type": type, "covers": lambda _given, seconds: seconds}
        expected = {"total": named["sum"], "type": type(data), "covers": 60}
        assert ts.series("a", "minute", start=T0, end=T0, transform=mapping) == {T0: expected}
        assert ts.series("a", "hour", start=T0, end=T0, transform=mapping) == {T0: {T0: expected}}
        assert len(reads.queries) == 2
        assert list(ts.iterate("a", "hour", transform=mapping)) == [(T0, expected)]

    @every_kind
    def test_transform_comes_last(self, store: Store, kind: str) -> None:
        """A transform gets what condensing, joining and collapsing made (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind, FINE)
        ts.bulk_insert([("b", 1, T0), ("b", 2, T0 + 60), ("a", 3, T0), ("a", 4, T0 + 3600)])
        span = {"start": T0, "end": T0 + 3600, "transform": lambda data: [data]}
        assert ts.series("b", "hour", **span) == {
            T0: {T0: [holding(kind, 1)], T0 + 60: [holding(kind, 2)]},
            T0 + 3600: {},
        }
        assert ts.series(["b", "a"], "hour", **span, condense=True) == {
            T0: [holding(kind, 1, 2, 3)],
            T0 + 3600: [holding(kind, 4)],
        }
        assert ts.series(["b", "a"], "hour", **span, collapse=True) == {T0: [holding(kind, 1, 2, 3, 4)]}
        assert ts.series("c", "hour", **span, condense=True) == {T0: [EMPTY[kind]], T0 + 3600: [EMPTY[kind]]}

    @pytest.mark.parametrize("kind", KINDS)
    def test_an_unknown_transform(self, store: Store, kind: str) -> None:
        """A name that nobody knows is a ValueError that lists the known ones, with data and without (semantics 4.5).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind)
        for transform in ("no-such", ["sum", "no-such"], {"x": "no-such"}):
            with pytest.raises(InvalidValue, match=r"mean") as caught:
                ts.get("a", "minute", transform=transform)
            assert all(name in str(caught.value) for name in ("no-such", "count", "min", "max", "sum", "rate"))
            with pytest.raises(InvalidValue, match="no-such"):
                ts.series("a", "minute", transform=transform)
            with pytest.raises(InvalidValue, match="no-such"):
                list(ts.iterate("a", "minute", transform=transform))
        for bad in (5, [5], {"x": None}):
            with pytest.raises(InvalidValue):
                ts.get("a", "minute", transform=bad)
