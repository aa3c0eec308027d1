"""Semantics 3.4: values come back as they went in, keys in one form; what a type cannot hold is refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from kairos import ConfigurationError, InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import T0, holding
from kairos_conformance._store import Client, Store

__all__ = ["ValuesTests"]

VALUED = pytest.mark.parametrize("kind", ["gauge", "histogram", "series", "set"])
"""The kinds whose cells hold the values themselves."""
KEYED = pytest.mark.parametrize("kind", ["histogram", "set"])
"""The kinds whose values are keys."""

TEXTS = [
    "a",
    "A",
    "a ",
    " a",
    "a\n",
    "\u00e9",
    "e\u0301",
    "\u00df",
    "ss",
    "\U0001f680",
    "%",
    "'",
    "\\",
    "$x",
    "x.y",
    "0",
    "00",
]
SAMPLES: dict[str, list[Any]] = {
    "float": [0.1, -2.5, 1e300, 5e-324, 1 / 3, 3.0, 0.0],
    "int": [0, -1, 7, 2**53 + 1, 2**63 - 1, -(2**63)],
    "str": TEXTS,
    "text": [*TEXTS, "", " ", "long " * 1000],
    "blob": [b"a", b"A", b"a ", b"", b"\0", bytes(range(256)), b"\xff" * 1000],
    "bool": [False, True],
    "decimal": [Decimal("0.1"), Decimal("-12.75"), Decimal(3)],
    "date": [date(2012, 2, 29), date(1969, 12, 31)],
    "datetime": [datetime(2012, 2, 29, 23, 59, 59), datetime(1969, 12, 31, 1)],  # noqa: DTZ001 - they are naive
    "time": [time(23, 59, 59), time(0)],
    "inet": ["127.0.0.1", "::1"],
}
"""Values that every backend can store under this type."""

EDGES: dict[str, list[Any]] = {
    "float": [float("inf"), float("-inf"), 2**53 + 1, 10**400, Decimal("0.1")],
    "int": [2**63, -(2**63) - 1, 0.5, "1"],
    "str": ["x" * 300, "a\0b", ""],
    "text": ["x" * 100_000, "\ud800", b"a"],
    "blob": [b"x" * 100_000, "a"],
    "bool": [2, "true"],
    "decimal": [Decimal("12345678901234567890.098765432109876543"), Decimal("1E+40"), Decimal("NaN"), 0.1],
    "date": [
        datetime(2012, 2, 29, 1),  # noqa: DTZ001
        date(1, 1, 1),
        date(9999, 12, 31),
    ],
    "datetime": [
        datetime(2012, 2, 29, 23, 59, 59, 999_999),  # noqa: DTZ001
        datetime(1, 1, 1),  # noqa: DTZ001
    ],
    "time": [time(23, 59, 59, 999_999)],
    "inet": ["localhost"],
}
"""Values at the edge of a type: stored exactly, or refused."""

ALIASES: dict[str, list[Any]] = {
    "float": ["double", float],
    "int": ["integer", "int64", "long", int],
    "str": ["string", "unicode", str],
    "text": ["clob"],
    "blob": [bytes],
    "bool": ["boolean", bool],
    "decimal": [Decimal],
    "date": [date],
    "datetime": [datetime],
    "time": [time],
}


def expected_type(kind: str, value: Any) -> type:
    """What a value reads as: keys that are whole numbers are ints, whatever their type."""
    whole = isinstance(value, (bool, float, Decimal)) and value == int(value) and -(2**63) <= value < 2**63
    return int if whole and kind in {"histogram", "set"} else type(value)


def values_of(kind: str, data: Any) -> list[Any]:
    """The single values of what a bucket reads as."""
    return [data] if kind == "gauge" else list(data)


def write_apart(ts: Client, values: list[Any]) -> list[str]:
    """One name per value, since a gauge keeps but one."""
    names = [f"n{number}" for number in range(len(values))]
    ts.bulk_insert([(name, value, T0) for name, value in zip(names, values, strict=True)])
    return names


class ValuesTests(SuiteBase):
    """Values and their types."""

    @VALUED
    @pytest.mark.parametrize("name", list(SAMPLES))
    def test_each_type_gives_back_what_it_got(self, store: Store, kind: str, name: str) -> None:
        """Every named type of values works on every backend, and gives back the same values, of the same Python type
        (semantics 3.4).

        Look at: how the backend encodes and decodes values of this type.
        """
        values = SAMPLES[name]
        ts = store.open(kind, value_type=name)
        rows: list[Any] = []
        ts.get(write_apart(ts, values), "minute", timestamp=T0, join_rows=rows.extend)
        for value, data in zip(values, rows, strict=True):
            assert data == holding(kind, value)
            assert [type(found) for found in values_of(kind, data)] == [expected_type(kind, value)]
        for value in values:
            ts.insert("all", value, timestamp=T0)
        assert ts.get("all", "minute", timestamp=T0) == {T0: holding(kind, *values)}
        ts.insert("all", values, timestamp=T0)
        assert ts.get("all", "minute", timestamp=T0) == {T0: holding(kind, *values, *values)}

    @VALUED
    @pytest.mark.parametrize("name", list(EDGES))
    def test_at_the_edge_of_a_type(self, store: Store, kind: str, name: str) -> None:
        """What a type cannot hold is a ValueError before anything is written; what it takes it gives back exactly,
        never rounded or cut in silence (semantics 3.4).

        Look at: `Backend.resolve_value_type`, whose type must refuse what the column cannot hold.
        """
        ts = store.open(kind, value_type=name)
        taken: dict[str, Any] = {}
        for number, value in enumerate(EDGES[name]):
            with suppress(ValueError):
                ts.insert(f"n{number}", value, timestamp=T0)
                taken[f"n{number}"] = value
        assert ts.list() == list(taken)
        for one, value in taken.items():
            assert ts.get(one, "minute", timestamp=T0) == {T0: holding(kind, value)}, ascii(value)[:40]

    @pytest.mark.parametrize("name", list(ALIASES))
    def test_each_type_has_its_other_names(self, store: Store, name: str) -> None:
        """``value_type`` takes all names of the lists in the documentation, and Python's types (semantics 3.4).

        Look at: a `Backend.resolve_value_type` that hides the core's.
        """
        for alias in ALIASES[name]:
            ts = store.open("gauge", value_type=alias)
            assert ts.backend.value_type.name == name

    @pytest.mark.parametrize("spec", ["nonsense", "", 5, [], complex], ids=repr)
    def test_an_unknown_type_is_refused(self, store: Store, spec: Any) -> None:
        """A ``value_type`` that nobody knows is a ConfigurationError that names the key (semantics 3.4).

        Look at: `Backend.resolve_value_type`.
        """
        with pytest.raises(ConfigurationError, match="value_type"):
            store.open("series", value_type=spec)

    @VALUED
    def test_the_default_type(self, store: Store, kind: str) -> None:
        """Without ``value_type`` numbers are taken by every backend, and read as its documented default says (semantics
        3.4).

        Look at: ``default_value_type`` and what the backend stores without a type.
        """
        ts = store.open(kind, value_type=None)
        accept = ts.backend.value_type.accept
        ts.insert("a", [1.5, 2.25], timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, accept(1.5), accept(2.25))}

    @pytest.mark.parametrize("kind", ["gauge", "series"])
    def test_any_object(self, store: Store, kind: str) -> None:
        """Where the default is whatever was written, objects with other objects in them are kept as they were when they
        were inserted (semantics 3.4).

        Look at: a backend that keeps the caller's object instead of a copy of it.
        """
        ts = store.open(kind, value_type=None)
        if ts.backend.value_type.name != "any":
            pytest.skip(f"without value_type this backend stores {ts.backend.value_type.name}")
        values: list[Any] = [{"x": [1, 2.5, {"y": None}]}, "text", b"bytes", True, 2**60, {}]
        names = write_apart(ts, values)
        values[0]["x"].append("later")
        ts.get("n0", "minute", timestamp=T0, process_row=lambda row: (row if kind == "gauge" else row[0])["x"].clear())
        values[0] = {"x": [1, 2.5, {"y": None}]}
        for name, value in zip(names, values, strict=True):
            assert ts.get(name, "minute", timestamp=T0) == {T0: holding(kind, value)}

    @VALUED
    def test_numbers_as_text(self, store: Store, kind: str) -> None:
        """The type ``str`` takes text and numbers, int and float by their repr; anything else is a ValueError
        (semantics 3.4).

        Look at: a type of its own under the name of ``str``.
        """
        ts = store.open(kind, value_type="str")
        ts.insert("a", ["x", 12, 0.1], timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, "x", "12", "0.1")}
        for bad in (b"x", Decimal("0.5"), object()):
            with pytest.raises(InvalidValue):
                ts.insert("b", bad, timestamp=T0)
        assert ts.list() == ["a"]

    @KEYED
    @pytest.mark.parametrize("name", ["int", "float", "decimal"])
    def test_one_key_for_equal_numbers(self, store: Store, kind: str, name: str) -> None:
        """1, 1.0, True and Decimal(1) are one key, and it reads 1, an int, on every store (semantics 3.4).

        Look at: keys that are compared as text, or decoded to the type of the column and left so.
        """
        ts = store.open(kind, value_type=name)
        for one in (1, 1.0, True, Decimal("1.00")):
            ts.insert("a", one, timestamp=T0)
        ts.insert("a", [0, -0.0, False, 2**40, float(2**40)], timestamp=T0)
        (data,) = ts.get("a", "minute", timestamp=T0).values()
        assert data == holding(kind, *[1] * 4, *[0] * 3, *[2**40] * 2)
        assert {type(key) for key in data} == {int}

    @KEYED
    def test_nan_is_no_key(self, store: Store, kind: str) -> None:
        """NaN equals nothing, so it is never a key: a ValueError, and nothing is written (semantics 3.4).

        Look at: the other failures first, since this is the core's work.
        """
        for name in ("float", "decimal", None):
            ts = store.open(kind, value_type=name)
            for value in (float("nan"), Decimal("NaN")):
                with pytest.raises(InvalidValue):
                    ts.insert("a", [1, value], timestamp=T0)
            assert ts.list() == []

    @pytest.mark.parametrize("kind", ["gauge", "series"])
    def test_nan_is_kept_or_refused(self, store: Store, kind: str) -> None:
        """NaN in a series or a gauge is stored as such or refused before anything is written (semantics 3.4).

        Look at: what the store makes of NaN (NULL, or an error of the driver).
        """
        for name in ("float", None):
            ts = store.open(kind, value_type=name)
            try:
                ts.insert("a", float("nan"), timestamp=T0)
            except ValueError:
                assert ts.list() == []
            else:
                (data,) = ts.get("a", "minute", timestamp=T0).values()
                assert [str(found) for found in values_of(kind, data)] == ["nan"]

    @VALUED
    def test_nothing_falsy_is_taken_for_nothing(self, store: Store, kind: str) -> None:
        """0, empty text, False and empty bytes are data: they are stored, listed, counted and read (semantics 4.3).

        Look at: a truth value where a comparison with None is meant; NULL for empty text.
        """
        for name, value in (("int", 0), ("text", ""), ("bool", False), ("blob", b""), ("float", 0.0)):
            ts = store.open(kind, {"hour": {"step": 3600, "resolution": 60}}, value_type=name)
            ts.insert("a", value, timestamp=T0)
            data = holding(kind, value)
            assert ts.list() == ["a"]
            assert ts.properties("a") == {"hour": {"first": T0, "last": T0}}
            assert ts.get("a", "hour", timestamp=T0) == {T0: data}
            assert ts.get("a", "hour", timestamp=T0, condense=True) == {T0: data}
            assert ts.get(["b", "a", "c"], "hour", timestamp=T0) == {T0: data}
            assert ts.series("a", "hour", start=T0 - 3600, end=T0 + 3600, collapse=True) == {T0 - 3600: data}
            assert list(ts.iterate("a", "hour")) == [(T0, data)]
            assert ts.delete("a") == 1

    @KEYED
    def test_read_func_maps_keys(self, store: Store, kind: str) -> None:
        """Keys that ``read_func`` maps to the same value add up; it gets each key in its one form (semantics 3.4).

        Look at: the type of the keys that `Backend.read` gives.
        """
        seen: list[Any] = []

        def parity(key: Any) -> str:
            seen.append(key)
            return "odd" if key % 2 else "even"

        ts = store.open(kind, value_type="float", read_func=parity)
        ts.insert("a", [1, 3, 3, 4, 6.0], timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, "odd", "odd", "odd", "even", "even")}
        assert sorted(seen) == [1, 3, 4, 6]
        assert {type(key) for key in seen} == {int}

    @pytest.mark.parametrize("kind", ["gauge", "series"])
    def test_read_func_gets_each_value(self, store: Store, kind: str) -> None:
        """``read_func`` is applied to every value that is read, in every verb (semantics 4.1).

        Look at: the other failures first, since this is the core's work.
        """
        ts = store.open(kind, value_type="text", read_func=len)
        ts.insert("a", ["xx", "x"], timestamp=T0)
        data = holding(kind, 2, 1)
        assert ts.get("a", "minute", timestamp=T0) == {T0: data}
        assert ts.series("a", "minute", start=T0, end=T0) == {T0: data}
        assert list(ts.iterate("a", "minute")) == [(T0, data)]

    @VALUED
    def test_what_was_read_belongs_to_the_reader(self, store: Store, kind: str) -> None:
        """What a read gives may be changed without changing what is stored (semantics 4.4).

        Look at: a backend that gives its own object instead of a copy.
        """
        ts = store.open(kind)
        ts.insert("a", [1, 2], timestamp=T0)
        for keywords in ({}, {"process_row": lambda row: row}):
            found = ts.get("a", "minute", timestamp=T0, **keywords)
            if kind != "gauge":
                found[T0].clear()
            found.clear()
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, 1, 2)}

    @KEYED
    def test_odd_texts_are_different_keys(self, store: Store, kind: str) -> None:
        """Keys that differ in case, in spaces at the end or in Unicode normal form are different keys (semantics 3.4).

        Look at: collations, digests and separators.
        """
        ts = store.open(kind, value_type="str")
        for text in TEXTS:
            ts.insert("a", text, timestamp=T0)
        ts.insert("a", TEXTS, timestamp=T0)
        assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, *TEXTS, *TEXTS)}
