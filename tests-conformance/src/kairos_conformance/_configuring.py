"""Semantics 2.1, 2.6 and bad input: constructors, schemas, secrets and the life of a Timeseries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

import kairos
from kairos import BackendError, ConfigurationError
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import BOTH, EMPTY, MINUTE, T0, every_kind, holding
from kairos_conformance._store import Colour, Store

__all__ = ["ConfiguringTests"]


class ConfiguringTests(SuiteBase):
    """How a Timeseries begins and ends."""

    @pytest.mark.parametrize(
        "step",
        [0, -60, 1.5, "0", "-60", "1.5h", "60 s", "1x", "h", "", "fortnightly", "Daily", None, True, []],
        ids=repr,
    )
    def test_a_bad_step(self, store: Store, step: Any) -> None:
        """A step that is zero, negative, fractional or unknown is a ConfigurationError that names the key (semantics
        1.3).

        Look at: the other failures first, since this is the core's work.
        """
        with pytest.raises(ConfigurationError, match=r"intervals\['minute'\]\.step"):
            store.open("count", {"minute": {"step": step}})
        with pytest.raises(ConfigurationError, match=r"intervals\['minute'\]\.step"):
            store.open("count", {"hour": {"step": 3600}, "minute": {"step": step}})
        if step is not None:
            with pytest.raises(ConfigurationError, match=r"intervals\['minute'\]\.resolution"):
                store.open("count", {"minute": {"step": "1h", "resolution": step}})

    @pytest.mark.parametrize("steps", [0, -1, 1.5, "2", True, []], ids=repr)
    def test_bad_steps(self, store: Store, steps: Any) -> None:
        """``steps`` is None or a positive int (semantics 1.3).

        Look at: the other failures first, since this is the core's work.
        """
        with pytest.raises(ConfigurationError, match=r"intervals\['minute'\]\.steps"):
            store.open("count", {"minute": {"step": 60, "steps": steps}})

    @pytest.mark.parametrize(
        ("step", "resolution"),
        [
            (60, 61),
            ("1h", "1d"),
            ("daily", "weekly"),
            ("daily", 86_401),
            ("monthly", "31d"),
            ("yearly", "366d"),
            ("6d", "weekly"),
        ],
    )
    def test_a_resolution_longer_than_its_step(self, store: Store, step: Any, resolution: Any) -> None:
        """A resolution is not longer than the step, by the nominal lengths of calendar steps: 1, 7, 30 and 365 days
        (semantics 1.6).

        Look at: the other failures first, since this is the core's work.
        """
        with pytest.raises(ConfigurationError, match=r"intervals\['i'\]\.resolution"):
            store.open("count", {"i": {"step": step, "resolution": resolution}})

    def test_unknown_keys_are_errors(self, store: Store) -> None:
        """A key that nobody knows is an error that names it: in an interval, among the keywords of the constructor,
        among those of a verb (semantics 2.1).

        Look at: how the backend structures its options.
        """
        with pytest.raises(ConfigurationError, match="stepps"):
            store.open("count", {"minute": {"step": 60, "stepps": 5}})
        with pytest.raises(ConfigurationError, match="no_such_option"):
            store.open("count", no_such_option=1)
        ts = store.open("count")
        for call in (
            lambda: ts.insert("a", no_such_option=1),
            lambda: ts.bulk_insert([("a", 1, T0)], no_such_option=1),
            lambda: ts.get("a", "minute", no_such_option=1),
            lambda: ts.series("a", "minute", no_such_option=1),
            lambda: list(ts.iterate("a", "minute", no_such_option=1)),
            lambda: ts.list(no_such_option=1),
            lambda: ts.properties("a", no_such_option=1),
            lambda: ts.delete("a", no_such_option=1),
            lambda: ts.delete_all(no_such_option=1),
        ):
            with pytest.raises(TypeError, match="no_such_option"):
                call()
        if not store.expires_natively("count"):
            with pytest.raises(TypeError, match="no_such_option"):
                ts.expire("a", no_such_option=1)
        assert ts.list() == []

    @pytest.mark.parametrize(
        ("keyword", "value"),
        [
            ("type", "counter"),
            ("type", None),
            ("intervals", {}),
            ("intervals", None),
            ("intervals", {"minute": 60}),
            ("intervals", {"minute": {}}),
            ("read_func", 5),
            ("write_func", "int"),
            ("clock", 5),
            ("max_buckets", 0),
            ("max_buckets", "many"),
            ("prefix", None),
            ("prefix", 5),
            ("prefix", "a\0b"),
            ("create", "no"),
        ],
        ids=repr,
    )
    def test_a_bad_keyword_of_the_constructor(self, store: Store, keyword: str, value: Any) -> None:
        """A keyword of the constructor that makes no sense is a ConfigurationError that names it, and a ValueError
        (semantics 2.1).

        Look at: the other failures first, since this is the core's work.
        """
        keywords = {
            "type": "count",
            "intervals": MINUTE,
            "prefix": store.namespace,
            **store.harness.options,
            keyword: value,
        }
        factory = kairos.Timeseries if store.colour is Colour.BLOCKING else kairos.AsyncTimeseries
        with pytest.raises(ConfigurationError, match=keyword) as caught:
            factory(store.target, **keywords)
        assert isinstance(caught.value, ValueError)

    def test_the_schema_is_made_before_the_first_write(self, store: Store) -> None:
        """Reading and deleting where there is no schema finds no data and makes nothing; with ``create=False`` it is an
        error that names what is missing, and so is writing (semantics 2.6; capability ``typed_container``).

        Look at: `Backend.prepare`.
        """
        container = store.capabilities.typed_container
        if container is None:
            ts = store.open("count", create=False)
            try:
                ts.insert("a", timestamp=T0)
            except BackendError:  # it has a schema for all types together, and nobody has made it yet
                store.open("count").insert("a", timestamp=T0)
            assert ts.get("a", "minute", timestamp=T0) == {T0: 1}
            return
        table = "kairos_conformance_missing"
        options: dict[str, Any] = {container: table}
        ts = store.open("count", BOTH, **options)
        assert ts.list() == []
        assert ts.get("a", "minute", timestamp=T0) == {T0: 0}
        assert ts.series("a", "hour", start=T0, end=T0) == {T0: {}}
        assert list(ts.iterate("a", "minute")) == []
        assert ts.properties("a") == {}
        assert ts.delete("a") == 0
        assert ts.delete_all() is None
        if not store.expires_natively("count"):
            assert ts.expire() == 0
        strict = store.open("count", BOTH, create=False, prefix=f"{store.namespace}-strict", **options)
        calls: list[Callable[[], Any]] = [
            strict.list,
            lambda: strict.get("a", "minute"),
            lambda: strict.insert("a", timestamp=T0),
            lambda: strict.delete("a"),
        ]
        for call in calls:
            with pytest.raises(BackendError, match=table):
                call()
        strict.close()

    def test_create_false_uses_what_is_there(self, store: Store) -> None:
        """With ``create=False`` an existing schema is used as ever (semantics 2.6).

        Look at: `Backend.prepare`.
        """
        store.open("count").insert("a", timestamp=T0)
        ts = store.open("count", create=False)
        ts.insert("a", timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: 2}

    def test_a_container_holds_one_type(self, store: Store) -> None:
        """A table or collection of another type, or of another type of values, is a ConfigurationError that names the
        keyword, and its data is left alone (semantics 2.6; capability ``typed_container``). A backend without the
        capability keeps all types side by side.

        Look at: `Backend.prepare`.
        """
        container = store.capabilities.typed_container
        if container is not None and not store.shared:
            pytest.skip("every Timeseries on this target has a store of its own, and this test needs two on one")
        options: dict[str, Any] = {} if container is None else {container: "kairos_conformance_types"}
        ints = store.open("series", value_type="int", **options)
        ints.insert("a", 1, timestamp=T0)
        others = [("series", "text", "x"), ("histogram", "int", 1), ("count", None, 1)]
        for kind, value_type, value in others:
            # The prefix may be part of the container's name.
            prefix = f"{store.namespace}-{kind}-{value_type}" if container is None else store.namespace
            other = store.open(kind, value_type=value_type, prefix=prefix, **options)
            if container is None:
                other.insert("a", value, timestamp=T0)
                assert other.get("a", "minute", timestamp=T0) == {T0: holding(kind, value)}
                continue
            with pytest.raises(ConfigurationError, match=container):
                other.insert("a", value, timestamp=T0)
            with pytest.raises(ConfigurationError, match=container):
                other.get("a", "minute", timestamp=T0)
            other.close()
        assert ints.get("a", "minute", timestamp=T0) == {T0: [1]}

    def test_a_secret_is_never_shown(self, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        """A password never appears in an error, a log or a repr, and a constructor never does I/O (semantics 2.6). It
        needs `Harness.unreachable`.

        Look at: messages of the driver that hold the URL.
        """
        url = store.harness.unreachable
        if url is None:
            pytest.skip("this harness names no unreachable URL")
        assert "hunter2" in url
        caplog.set_level(logging.DEBUG)
        factory = kairos.Timeseries if store.colour is Colour.BLOCKING else kairos.AsyncTimeseries
        ts: Any = factory(url, type="count", intervals=MINUTE, **store.harness.options)
        texts = [repr(ts), str(ts), repr(ts.backend)]
        for call in (lambda: ts.insert("a"), lambda: ts.get("a", "minute"), ts.list):
            with pytest.raises(BackendError) as caught:
                store.run(call())
            error: BaseException | None = caught.value
            while error is not None:
                texts += [str(error), repr(error)]
                error = error.__cause__
        store.run(ts.close())
        texts += [record.getMessage() for record in caplog.records]
        assert not [text for text in texts if "hunter2" in text]

    @every_kind
    def test_closing(self, store: Store, kind: str) -> None:
        """`close` may be called twice; a closed Timeseries refuses to work; what it wrote stays (semantics 2.6).

        Look at: `Backend.close`, and writes that wait for it.
        """
        ts = store.open(kind)
        ts.insert("a", 1, timestamp=T0)
        ts.close()
        ts.close()
        with pytest.raises(BackendError, match="closed"):
            ts.get("a", "minute", timestamp=T0)
        with pytest.raises(BackendError, match="closed"):
            ts.insert("a", 1, timestamp=T0)
        expected = holding(kind, 1)
        assert store.open(kind).get("a", "minute", timestamp=T0) == {T0: expected}

    def test_closing_one_leaves_the_others(self, store: Store) -> None:
        """`close` closes what was opened from a URL, never a client of the user's (design: who opens closes).

        Look at: `Backend.owns_client`, and a `Backend.close` that closes what other Timeseries still use.
        """
        one, other = store.open("count"), store.open("count")
        one.insert("a", timestamp=T0)
        other.insert("a", timestamp=T0)
        one.close()
        other.insert("a", timestamp=T0)
        assert other.get("a", "minute", timestamp=T0) == {T0: 3}

    def test_a_context_manager_closes(self, store: Store) -> None:
        """Both classes are context managers that close what they opened (design: who opens closes).

        Look at: `Backend.close`.
        """
        ts = store.open("count")
        if store.colour is Colour.BLOCKING:
            with ts.timeseries as entered:
                entered.insert("a", timestamp=T0)
        else:

            async def use() -> Any:
                async with ts.timeseries as entered:
                    await entered.insert("a", timestamp=T0)
                    return entered

            entered = store.run(use())
        assert entered is ts.timeseries
        ts.closed = True
        with pytest.raises(BackendError, match="closed"):
            ts.list()
        assert store.open("count").list() == ["a"]

    def test_what_is_dropped_open_warns(self, store: Store) -> None:
        """A Timeseries that opened its client itself and is dropped without being closed is a ResourceWarning; one on a
        client of the user's is none of our business (design: who opens closes).

        Look at: `Backend.owns_client`.
        """
        factory = kairos.Timeseries if store.colour is Colour.BLOCKING else kairos.AsyncTimeseries
        ts: Any = factory(store.target, type="count", intervals=MINUTE, prefix=store.namespace, **store.harness.options)
        if not ts.backend.owns_client:
            store.run(ts.close())
            return
        dropped = [ts]
        del ts
        with pytest.warns(ResourceWarning, match="unclosed"):
            dropped.clear()

    @every_kind
    def test_the_answer_of_an_empty_store(self, store: Store, kind: str) -> None:
        """A store into which nothing was written answers every verb (semantics 2.6).

        Look at: `Backend.prepare`, and verbs that expect their schema.
        """
        ts = store.open(kind, BOTH)
        assert ts.list() == []
        assert ts.properties("a") == {}
        assert ts.get("a", "minute", timestamp=T0) == {T0: EMPTY[kind]}
        assert ts.get(["a", "b"], "hour", timestamp=T0) == {}
        assert list(ts.iterate("a", "hour")) == []
        assert ts.delete("a") == 0
        assert ts.delete_all() is None
