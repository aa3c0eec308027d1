"""Semantics 2.3 and 2.4: any name is stored as it is, and namespaces never meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kairos import ConfigurationError, InvalidValue
from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import EMPTY, KINDS, MINUTE, T0, every_kind, holding
from kairos_conformance._store import Store

__all__ = ["NamesTests"]

ODD_NAMES = [
    "plain",
    "Plain",
    "PLAIN",
    "plain ",
    " plain",
    "plain\t",
    " ",
    "plain\n",
    "pla\nin",
    "caf\u00e9",  # one code point for the last letter
    "cafe\u0301",  # two: another Unicode normal form of the same text
    "stra\u00dfe",
    "strasse",
    "I\u0307",
    "\u0130",
    "\U0001f680",
    "\u202eabc",
    "a:b",
    "a::b",
    "a:",
    ":a",
    "a.b",
    ".",
    "..",
    "a/b",
    "/",
    "\\",
    "*",
    "?",
    "pl?in",
    "pl*",
    "[p]lain",
    "{plain}",
    "{",
    "$plain",
    "$",
    "%",
    "_",
    "pl_in",
    "%s",
    "%(x)s",
    "'",
    '"',
    "`",
    "a' OR 'a'='a",
    "--",
    ";",
    "0",
    "-1",
    "None",
    "null",
    "\x01",
    "\x7f",
    "\ufeffplain",
    "\uffff",
]
"""Names that are different, each of which some store takes for something else or for the same as another."""

BAD_NAMES: list[Any] = ["", "a\0b", "\0", "\ud800", "a\udfff", None, 5, b"a", 1.5]


class NamesTests(SuiteBase):
    """Names and namespaces."""

    @every_kind
    def test_names_are_stored_as_they_are(self, store: Store, kind: str) -> None:
        """A name is any non-empty text; names that differ in case, in spaces at the end or in Unicode normal form are
        different, and none is interpreted (semantics 2.3). Each kind reads and deletes a fifth of them by themselves.

        Look at: collations, globs, separators of composed keys, and quoting.
        """
        ts = store.open(kind)
        ts.bulk_insert([(name, value, T0) for value, name in enumerate(ODD_NAMES, start=1)])
        assert ts.list() == sorted(ODD_NAMES)
        left = set(ODD_NAMES)
        for value, name in list(enumerate(ODD_NAMES, start=1))[KINDS.index(kind) :: len(KINDS)]:
            assert ts.get(name, "minute", timestamp=T0) == {T0: holding(kind, value)}, repr(name)
            assert ts.properties(name) == {"minute": {"first": T0, "last": T0}}, repr(name)
            assert ts.delete(name) == 1, repr(name)
            left.remove(name)
        assert ts.list() == sorted(left)

    @every_kind
    def test_names_that_are_read_together_are_kept_apart(self, store: Store, kind: str) -> None:
        """Odd names may be joined like any other (semantics 2.3, 4.6).

        Look at: how a read of several names tells their answers apart.
        """
        ts = store.open(kind)
        ts.bulk_insert([(name, value, T0) for value, name in enumerate(ODD_NAMES, start=1)])
        rows: list[Any] = []
        ts.get(ODD_NAMES, "minute", timestamp=T0, join_rows=rows.extend)
        assert rows == [holding(kind, value) for value in range(1, len(ODD_NAMES) + 1)]

    @every_kind
    def test_interval_names_are_stored_as_they_are(self, store: Store, kind: str) -> None:
        """The name of an interval is any non-empty text, just like that of a series (semantics 2.3). Each kind reads a
        fifth of them.

        Look at: interval names used as fields, columns or parts of a key without quoting.
        """
        intervals = {name: {"step": 60 * number} for number, name in enumerate(ODD_NAMES, start=1)}
        ts = store.open(kind, intervals)
        ts.insert("a", 7, timestamp=T0)
        starts = {name: T0 - T0 % interval["step"] for name, interval in intervals.items()}
        assert ts.properties("a") == {name: {"first": start, "last": start} for name, start in starts.items()}
        for name, start in list(starts.items())[KINDS.index(kind) :: len(KINDS)]:
            assert ts.get("a", name, timestamp=T0) == {start: holding(kind, 7)}, repr(name)
        assert ts.delete("a") == len(ODD_NAMES)

    @every_kind
    def test_names_and_intervals_are_kept_apart(self, store: Store, kind: str) -> None:
        """However a name and an interval are put together, they are never mistaken for another pair (semantics 2.3).
        Each kind takes every other separator.

        Look at: keys that are joined from their parts by a separator that the parts may hold.
        """
        for number, s in enumerate(":./|,-_ "[KINDS.index(kind) % 2 :: 2]):
            a, i = f"a{number}", f"i{number}"  # each separator has its own, since all share a namespace
            intervals = [i, f"{i}{s}x", f"x{s}{i}", f"{i}{s}x{s}{a}"]
            names = [a, f"x{s}{a}", f"{a}{s}x", f"x{s}{a}{s}1", f"{a}{s}{i}", f"{i}{s}x{s}{a}"]
            ts = store.open(kind, {interval: {"step": 60} for interval in intervals})
            # Pairs that make the same text, with their bucket (1) or without, differ in the name, and so in the value.
            ts.bulk_insert([(name, value, 60) for value, name in enumerate(names, start=1)])
            for interval in intervals:
                rows: list[Any] = []
                ts.get(names, interval, timestamp=60, join_rows=rows.extend)
                assert rows == [holding(kind, value) for value in range(1, len(names) + 1)], interval
            assert ts.delete(a) == len(intervals)
            assert ts.list() == sorted(names[1:])

    def test_a_bad_name_is_refused(self, store: Store) -> None:
        """An empty name, NUL, a lone surrogate and what is no text is a ValueError in every verb, before anything is
        written (semantics 2.3).

        Look at: the other failures first: the core checks names.
        """
        ts = store.open("count")
        calls: list[Callable[[Any], Any]] = [
            lambda name: ts.insert(name, timestamp=T0),
            lambda name: ts.bulk_insert([("good", 1, T0), (name, 1, T0)]),
            lambda name: ts.bulk_insert({T0: {"good": [1], name: [1]}}),
            lambda name: ts.get(name, "minute"),
            lambda name: ts.get(["good", name], "minute"),
            lambda name: ts.series(name, "minute"),
            lambda name: list(ts.iterate(name, "minute")),
            ts.properties,
            ts.delete,
        ]
        for name in BAD_NAMES:
            for call in calls:
                with pytest.raises(InvalidValue):
                    call(name)
            with pytest.raises(ConfigurationError):
                store.open("count", {name: {"step": 60}})
        assert ts.list() == []

    @every_kind
    def test_the_longest_name(self, store: Store, kind: str) -> None:
        """A name as long as the backend declares works, a longer one is a ValueError before anything is written
        (semantics 2.3; capability ``max_name_bytes``, where None means that there is no limit).

        Look at: the width of columns and keys, in bytes of UTF-8, with all that is in a key beside the name; and
        ``max_name_bytes``.
        """
        limit = store.capabilities.max_name_bytes
        length = 5000 if limit is None else limit
        longest = ["x" * length, "\u20ac" * (length // 3)]
        ts = store.open(kind, {name: {"step": 60} for name in longest})
        for name in longest:
            ts.insert(name, 1, timestamp=T0)
            assert ts.get(name, name, timestamp=T0) == {T0: holding(kind, 1)}
        assert ts.list() == sorted(longest)
        if limit is not None:
            for name in ("x" * (limit + 1), "\u20ac" * (limit // 3 + 1)):
                with pytest.raises(InvalidValue):
                    ts.insert(name, 1, timestamp=T0)
                with pytest.raises(ConfigurationError):
                    store.open("count", {name: {"step": 60}})
            assert ts.list() == sorted(longest)

    @every_kind
    def test_prefixes_are_kept_apart(self, store: Store, kind: str) -> None:
        """Timeseries with different prefixes never see or delete each other's data, however alike the prefixes are
        (semantics 2.4). Each kind takes about half of them.

        Look at: how the prefix becomes part of a key, a column or a name of a collection.
        """
        more = ["-A", "-a:b", "-a ", "-a.b", "-ab", "-%", "-_", "-*", "-\u00e9", "-$", "-e\u0301", "-\n"]
        tails = ["", "-a", *more[KINDS.index(kind) % 2 :: 2]]
        prefixes = [store.namespace + tail for tail in tails]
        family = [store.open(kind, prefix=prefix) for prefix in prefixes]
        for value, ts in enumerate(family, start=1):
            ts.bulk_insert([("b:c", value, T0), ("c", value, T0)])
        for value, ts in enumerate(family, start=1):
            assert ts.list() == ["b:c", "c"]
            assert ts.get("c", "minute", timestamp=T0) == {T0: holding(kind, value)}
        family[0].delete("c")
        family[1].delete_all()
        if not store.expires_natively(kind):
            family[2].expire()
        assert [ts.list() for ts in family[:2]] == [["b:c"], []]
        for value, ts in enumerate(family[2:], start=3):
            assert ts.list() == ["b:c", "c"]
            assert ts.get("b:c", "minute", timestamp=T0) == {T0: holding(kind, value)}

    @every_kind
    def test_a_colon_at_the_end_of_a_prefix_makes_no_difference(self, store: Store, kind: str) -> None:
        """'a' and 'a:' are the same prefix (semantics 2.4).

        Look at: the other failures first: the core takes the colon away.
        """
        store.open(kind).insert("a", 1, timestamp=T0)
        other = store.open(kind, prefix=f"{store.namespace}:")
        assert other.get("a", "minute", timestamp=T0) == {T0: holding(kind, 1)}
        assert other.delete("a") == 1

    def test_types_are_kept_apart(self, store: Store) -> None:
        """Timeseries of different types never see or delete each other's data, with the same prefix and the same names
        too (semantics 2.4).

        Look at: a namespace that leaves out the type.
        """
        family = {kind: store.open(kind) for kind in KINDS}
        for value, (kind, ts) in enumerate(family.items(), start=1):
            ts.insert("a", value, timestamp=T0)
            ts.insert(kind, 9, timestamp=T0)
        for value, (kind, ts) in enumerate(family.items(), start=1):
            assert ts.list() == sorted(["a", kind])
            assert ts.get("a", "minute", timestamp=T0) == {T0: holding(kind, value)}
        assert family["gauge"].delete("a") == 1
        family["set"].delete_all()
        assert {kind: ts.list() for kind, ts in family.items()} == {
            "count": ["a", "count"],
            "gauge": ["gauge"],
            "histogram": ["a", "histogram"],
            "series": ["a", "series"],
            "set": [],
        }

    @every_kind
    def test_the_empty_prefix(self, store: Store, kind: str) -> None:
        """The empty prefix is a namespace like any other: it holds none of the others, and `delete_all` leaves them
        alone (semantics 2.4).

        Look at: a scan of all keys that start with the prefix.
        """
        prefixed, only = store.open(kind), f"only in {store.namespace}"
        prefixed.insert(only, 1, timestamp=T0)
        name = f"{store.namespace}:a"
        bare = store.open(kind, prefix="")
        bare.insert(name, 2, timestamp=T0)
        try:
            assert name in bare.list()
            assert only not in bare.list()
            assert bare.get(name, "minute", timestamp=T0) == {T0: holding(kind, 2)}
            assert bare.get(only, "minute", timestamp=T0) == {T0: EMPTY[kind]}
        finally:
            assert bare.delete(name) == 1
        if store.harness.disposable:
            bare.delete_all()
        assert prefixed.get(only, "minute", timestamp=T0) == {T0: holding(kind, 1)}

    @every_kind
    def test_what_kairos_did_not_write_is_left_alone(self, store: Store, kind: str) -> None:
        """Nothing that kairos did not write is ever listed or deleted (semantics 2.4).

        Look at: deletes that drop, flush or scan. (It needs `Harness.plant`, without which there is nothing foreign.)
        """
        planted = store.harness.plant()
        if planted is None:
            pytest.skip("this harness has no plant(): nothing foreign can be put into the store")
        with planted as whole:
            ts = store.open(kind, MINUTE)
            ts.insert("a", 1, timestamp=T0)
            assert ts.list() == ["a"]
            ts.delete("a")
            ts.delete_all()
            if not store.expires_natively(kind):
                ts.expire()
            assert whole()
