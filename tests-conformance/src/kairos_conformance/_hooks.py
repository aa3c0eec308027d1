"""Semantics 2.5, 4.9 and the hooks of reading: what a user's own callables get, and where their errors go."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from kairos import HookContext, hookimpl
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, FINE, T0, at, every_kind, holding
from kairos_conformance._store import Colour, ReadLog, Store

__all__ = ["HookTests"]

STAGES = ("fetch", "process_row", "condense", "join_rows", "collapse", "transform")


class HookTests(SuiteBase):
    """A user's own callables."""

    @every_kind
    def test_what_a_users_callable_raises_passes_through(self, store: Store, kind: str) -> None:
        """What is raised inside a custom stage comes out of the verb unchanged (semantics 2.5).

        Look at: `Backend.adapt`, and an error map that catches too much.
        """
        failure = RuntimeError("raised by the user")

        def fail(*_args: Any, **_keywords: Any) -> Any:
            raise failure

        ts = store.open(kind, FINE)
        ts.insert("a", 1, timestamp=T0)
        verbs: dict[str, Callable[..., Any]] = {
            "series": lambda **stages: ts.series(["a"], "hour", start=T0, end=T0, **stages),
            "get": lambda **stages: ts.get(["a"], "hour", timestamp=T0, **stages),
            "iterate": lambda **stages: list(ts.iterate(["a"], "hour", **stages)),
        }
        for stage, (name, verb) in product(STAGES, verbs.items()):
            if stage == "collapse" and name != "series":
                continue
            condense = {} if name == "series" or stage == "condense" else {"condense": True}
            with pytest.raises(RuntimeError) as caught:
                verb(**condense, **{stage: fail})
            assert caught.value is failure
        assert ts.get("a", "hour", timestamp=T0) == {T0: holding(kind, 1)}

    @every_kind
    def test_what_read_func_raises_passes_through(self, store: Store, kind: str) -> None:
        """What ``read_func`` raises on data comes out of the verb unchanged, ValueError and TypeError too (semantics
        2.5).

        Look at: decoding that calls user code inside the error map.
        """
        for failure in (ValueError("theirs"), TypeError("theirs"), KeyError("theirs")):

            def fail(value: Any, failure: Exception = failure) -> Any:
                if value == "":
                    return None
                raise failure

            ts = store.open(kind, BOTH, read_func=fail)
            ts.insert("a", 1, timestamp=T0)
            for interval in BOTH:
                with pytest.raises(type(failure)) as caught:
                    ts.get("a", interval, timestamp=T0)
                assert caught.value is failure

    @every_kind
    def test_a_fetch_hook_goes_around_the_read(self, store: Store, kind: str) -> None:
        """A plugin's ``fetch`` deals in queries and rows, with bucket ids as stored, on every backend; its default is
        the backend's own read (semantics 1.4, 4.9).

        Look at: the keys that `Backend.read` gives: buckets, then resolution buckets or None, ascending.
        """
        reads = ReadLog()
        ts = store.open(
            kind,
            {step: {"step": step} for step in ("weekly", "monthly")}
            | {"fine": {"step": "yearly", "resolution": "daily"}},
            plugins=[reads],
        )
        ts.insert("a", 1, timestamp=at(2012, 12, 30))
        ts.insert("a", 2, timestamp=T0)
        span = {"start": at(2012, 12, 30), "end": T0}
        for interval, first, last in (("weekly", 201253, 201300), ("monthly", 201212, 201301)):
            reads.clear()
            ts.series("a", interval, **span)
            (query,), (rows,) = reads.queries, reads.rows
            assert (query.interval.name, query.names, query.first, query.last) == (interval, ("a",), first, last)
            assert rows == {"a": {first: {None: holding(kind, 1)}, last: {None: holding(kind, 2)}}}
            assert list(rows["a"]) == [first, last]
        reads.clear()
        ts.series("a", "fine", **span)
        assert reads.rows == [
            {"a": {2012: {20121230: holding(kind, 1)}, 2013: {20130101: holding(kind, 2)}}},
        ]

    def test_a_hook_knows_what_it_is_asked_for(self, store: Store) -> None:
        """Each hook is asked once per query, knows the query, the kind and the colour, and a keyword of the call goes
        before it (semantics 4.9).

        Look at: the other failures first, since this is the core's work.
        """
        asked: list[HookContext] = []

        class Plugin:
            @hookimpl
            def join_rows(self, context: HookContext) -> Any:
                asked.append(context)
                return lambda rows: ("plugin", rows)

            @hookimpl
            def transform(self, context: HookContext) -> Any:
                return (lambda data: ("p95", data)) if context.name == "p95" else None

        ts = store.open("count", plugins=[Plugin()])
        ts.insert("a", 2, timestamp=T0)
        assert ts.series(["a", "b"], "minute", start=T0, end=T0 + 60) == {
            T0: ("plugin", [2, 0]),
            T0 + 60: ("plugin", [0, 0]),
        }
        (context,) = asked
        assert context.kind == "count"
        assert context.asynchronous is (store.colour is Colour.ASYNC)
        assert context.query.names == ("a", "b")
        assert ts.get(["a", "b"], "minute", timestamp=T0, join_rows=list) == {T0: [2, 0]}
        assert ts.get("a", "minute", timestamp=T0, transform="p95") == {T0: ("p95", 2)}
        assert ts.get("a", "minute", timestamp=T0, transform="sum") == {T0: 2}

    @every_kind
    def test_a_custom_fetch_gives_what_the_built_in_read_gives(self, store: Store, kind: str) -> None:
        """A custom fetch in the backend's own form serves get, series and iterate, in both colours, and what it gives
        is decoded as usual (semantics 4.9). The form is the backend's, so the harness brings the function.

        Look at: `Backend.adapt`.
        """
        fetch = store.harness.fetch.get(kind)
        if fetch is None:
            pytest.skip(f"this harness has no custom fetch of a {kind}")
        ts = store.open(kind, BOTH)
        ts.bulk_insert([("a", [1, 2], T0), ("a", 3, T0 + 60), ("a", 4, T0 + 3600), ("b", 5, T0)])
        span = {"start": T0 - 60, "end": T0 + 3600}
        for interval in BOTH:
            assert ts.get("a", interval, timestamp=T0, fetch=fetch) == ts.get("a", interval, timestamp=T0)
            assert ts.series(["a", "b"], interval, **span, fetch=fetch) == ts.series(["a", "b"], interval, **span)
            assert list(ts.iterate("a", interval, fetch=fetch)) == list(ts.iterate("a", interval))
        assert ts.get("a", "hour", timestamp=T0, condense=True, fetch=fetch) == {T0: holding(kind, 1, 2, 3)}
