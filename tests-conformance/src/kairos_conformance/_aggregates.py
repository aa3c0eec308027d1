"""Transforms that the store computes: they give what the core makes of the data, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, cycle
from typing import Any

import pytest
from attrs import evolve

from kairos.flows import arun, run
from kairos.plans import Aggregate
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import FINE, MINUTE, T0
from kairos_conformance._store import Client, Colour, ReadLog, Store

__all__ = ["AggregateTests"]

NAMES = ("count", "max", "mean", "min", "rate", "sum")
VALUES: dict[str, list[Any]] = {
    # Their sums leave 64 bits, and what a float can hold.
    "int": [2**63 - 1, 2**63 - 1, 2**62 + 1, -3, 7, 7, 0, 10, 9],
    "float": [0.1, 1e16, -0.0, 0.1, 2.0, -1e16, 0.0, 1e-300, 0.3],
    "str": ["b", "a", "b", "10", "9", "B", "é"],
}


def bits(found: Any) -> Any:
    """What tells 1 from 1.0 and 0.0 from -0.0."""
    if isinstance(found, dict):
        return {key: bits(value) for key, value in found.items()}
    return repr(found)


class AggregateTests(SuiteBase):
    """Each test compares a store that declares aggregates with itself, and holds on every other one as well."""

    @pytest.mark.parametrize("value_type", VALUES)
    @pytest.mark.parametrize("kind", ["histogram", "series", "set"])
    def test_a_transform_is_the_same_without_the_data(self, store: Store, kind: str, value_type: str) -> None:
        """A named transform gives the same value of the same type, to the last bit, whether the store computed it or
        the core did, which a callable in the same list makes it do (semantics 4.5, `Capabilities.aggregates`).

        Look at: `Backend.read` of a query with ``aggregates``: sums past 64 bits, the weights of a histogram, min and
        max as text, Decimals, cells of the other kind of interval.
        """
        ts = store.open(kind, FINE | MINUTE, value_type=value_type)
        values = VALUES[value_type]
        ts.bulk_insert(
            [("a", value, T0 + 60 * (index % 3)) for index, value in enumerate(values)]
            + [("b", values[:4], T0), ("b", values[-1], T0 + 7200)]
        )
        names = NAMES if value_type != "str" else ("count", "rate", "max", "min")
        span = {"start": T0, "end": T0 + 300}
        reads: list[Callable[..., Any]] = [
            lambda **stages: ts.get("a", "minute", timestamp=T0, **stages),
            lambda **stages: ts.get("c", "minute", timestamp=T0, **stages),
            lambda **stages: ts.get("a", "hour", timestamp=T0, **stages),
            lambda **stages: ts.get("a", "hour", timestamp=T0, condense=True, **stages),
            lambda **stages: ts.get(["b", "a", "c"], "minute", timestamp=T0, **stages),
            lambda **stages: ts.get(["b"], "minute", timestamp=T0, **stages),
            lambda **stages: ts.series("a", "minute", **span, **stages),
            lambda **stages: ts.series("a", "minute", **span, collapse=True, **stages),
            lambda **stages: ts.series(["b", "c", "a"], "hour", start=T0, end=T0 + 7200, **stages),
            lambda **stages: ts.series(["b", "a"], "hour", start=T0, end=T0 + 7200, condense=True, **stages),
            lambda **stages: ts.series(["b", "a"], "hour", start=T0, end=T0 + 7200, collapse=True, **stages),
            lambda **stages: dict(ts.iterate("b", "hour", condense=True, **stages)),
        ]
        for read, alone in zip(reads, cycle(names), strict=False):
            by_core = read(transform={**dict(zip(names, names, strict=True)), "data": id})
            several = read(transform=list(names))
            for name in names:
                assert bits(_of(several, name)) == bits(_of(by_core, name)), name
            assert bits(read(transform=alone)) == bits(_of(by_core, alone)), alone

    @pytest.mark.parametrize("kind", ["histogram", "series", "set"])
    def test_declared_aggregates_are_tuples_in_order(self, store: Store, kind: str) -> None:
        """With ``Query.aggregates`` the data of a cell is a tuple of them, in this order, for whatever is declared
        (semantics 4.5, `Query`).

        Look at: `Backend.read`.
        """
        log = ReadLog()
        ts = store.open(kind, FINE | MINUTE, plugins=[log])
        ts.bulk_insert([("a", [5, 3, 5], T0), ("a", 2**63 - 1, T0 + 60), ("b", [2**63 - 1, 2**63 - 1], T0)])
        for interval in ("minute", "hour"):
            log.clear()
            ts.series(["a", "b", "c"], interval, start=T0, end=T0 + 60)
            (query,), (rows,) = log.queries, log.rows
            for size in range(1, 5):
                for aggregates in combinations(sorted(ts.capabilities.aggregates, reverse=True), size):
                    found = _read(store, ts, evolve(query, aggregates=aggregates))
                    assert {
                        (name, bucket, part): data
                        for name, buckets in found.items()
                        for bucket, cells in buckets.items()
                        for part, data in cells.items()
                    } == {
                        (name, bucket, part): tuple(_aggregate(one, data) for one in aggregates)
                        for name, buckets in rows.items()
                        for bucket, cells in buckets.items()
                        for part, data in cells.items()
                    }


def _of(found: Any, name: str) -> Any:
    """Of results that are dicts of transforms, those of one."""
    return {time: data[name] if name in data else _of(data, name) for time, data in found.items()}


FUNCTIONS: dict[Aggregate, Callable[[list[Any]], Any]] = {
    Aggregate.COUNT: len,
    Aggregate.SUM: sum,
    Aggregate.MIN: min,
    Aggregate.MAX: max,
}


def _aggregate(wanted: Aggregate, data: Any) -> Any:
    values = [value for value, n in data.items() for _ in range(n)] if isinstance(data, dict) else list(data)
    return FUNCTIONS[wanted](values)


def _read(store: Store, ts: Client, query: Any) -> Any:
    found = ts.backend.read(query)
    return store.run(arun(found)) if store.colour is Colour.ASYNC and not ts.backend.blocking else run(found)
