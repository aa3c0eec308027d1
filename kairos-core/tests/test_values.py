"""Values: how lists expand, what each type accepts exactly or refuses, and which names are good."""

from collections import deque
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos import ConfigurationError, InvalidValue
from kairos.values import (
    INT64_MAX,
    INT64_MIN,
    check_name,
    expand,
    plain,
    show,
    snapshot,
    value_type,
)


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Unhashable:
    __hash__ = None


class MyInt(int):
    pass


class MyFloat(float):
    pass


class MyStr(str):
    __slots__ = ()

    def __str__(self):
        return "another"


class MyArray(np.ndarray):
    pass


NAN = float("nan")
INF = float("inf")

numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-(2**63), 2**63 - 1).map(float),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.booleans(),
    st.fractions(),
)


def generate():
    yield 1
    yield 2


# --- Expansion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [False, True])
def test_a_collection_gives_its_members(ordered):
    arrays = [np.array([1, 2]), np.array([1, 2], dtype=object), np.ma.array([1, 2])]
    for members in ([1, 2], (1, 2), generate(), *arrays):
        assert expand(members, ordered=ordered) == [1, 2]


def test_a_subclass_of_an_array_gives_its_members():
    assert expand(np.array([1, 2]).view(MyArray), ordered=True) == [1, 2]


@pytest.mark.parametrize("members", [{1, 2}, frozenset({1, 2})])
def test_a_set_has_no_order(members):
    assert sorted(expand(members, ordered=False)) == [1, 2]
    with pytest.raises(InvalidValue, match="no order"):
        expand(members, ordered=True)


@pytest.mark.parametrize(
    "value",
    [*("abc", b"abc", bytearray(b"ab"), {"a": 1}, range(3), deque([1, 2]), 5, 0, None, True, Colour.RED), Unhashable()],
)
def test_every_other_object_is_one_value(value):
    (found,) = expand(value, ordered=True)
    assert found is value


def test_expansion_goes_one_level_deep_and_leaves_its_argument_alone():
    given = [[1, 2], (3,)]
    found = expand(given, ordered=True)
    found.append(4)
    assert given == [[1, 2], (3,)]
    assert expand((), ordered=True) == []


@pytest.mark.parametrize(
    ("scalar", "python"),
    [
        (np.bool_(True), True),
        (np.int8(-1), -1),
        (np.int64(INT64_MIN), INT64_MIN),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.str_("é"), "é"),
        (np.bytes_(b"a"), b"a"),
        (np.array(7), 7),
        (np.array("x"), "x"),
    ],
)
def test_numpy_scalars_become_pythons(scalar, python):
    (found,) = map(plain, expand(scalar, ordered=True))
    assert found == python
    assert type(found) is type(python)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float64", "bool", "U3", "S3", "float32"])
def test_members_of_numpy_arrays_become_pythons(dtype):
    found = [plain(value) for value in expand(np.array([0, 1]).astype(dtype), ordered=True)]
    assert [type(value).__module__ for value in found] == ["builtins", "builtins"]
    assert len(found) == 2


@pytest.mark.parametrize(
    "value",
    [
        *(np.zeros((2, 2)), np.zeros((1, 0)), np.array([1j]), np.complex128(1j), np.longdouble(1)),
        *(np.datetime64("2024-01-01"), np.timedelta64(1, "s"), np.array(["2024-01-01"], dtype="M8[D]")),
        *(np.void(b"x"), np.zeros(2, dtype=[("a", "i4")]), np.dtype("int8"), np.ma.masked),
        np.ma.array([1.0, 2.0], mask=[False, True]),
    ],
)
def test_other_numpy_values_are_refused(value):
    with pytest.raises(InvalidValue):
        [plain(member) for member in expand(value, ordered=True)]


def test_members_of_an_object_array_are_what_they_are():
    (found,) = expand(np.array({"a": 1}, dtype=object), ordered=True)
    assert found == {"a": 1}


@pytest.mark.parametrize("value", [1, "x", None, Decimal(1), [np.int8(1)]])
def test_what_is_not_numpy_stays_as_it_is(value):
    assert plain(value) is value


# --- Types ----------------------------------------------------------------------------------------------------------

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
ACCEPTED = [
    ("float", 1, 1.0),
    ("float", 1.5, 1.5),
    ("float", True, 1.0),
    ("float", 2**53, float(2**53)),
    ("float", 2**60, float(2**60)),
    ("float", Decimal("0.5"), 0.5),
    ("float", Fraction(1, 4), 0.25),
    ("int", 1, 1),
    ("int", 2.0, 2),
    ("int", True, 1),
    ("int", Decimal("3.0"), 3),
    ("int", Fraction(6, 2), 3),
    ("int", INT64_MAX, INT64_MAX),
    ("int", float(INT64_MIN), INT64_MIN),
    ("str", "é\0", "é\0"),
    ("str", "", ""),
    ("str", Colour.RED, "red"),
    ("str", MyStr("a"), "a"),
    ("str", 5, "5"),
    ("str", 0.1, "0.1"),
    ("str", Level.HIGH, "3"),
    ("str", MyFloat(0.5), "0.5"),
    ("text", "a", "a"),
    ("blob", b"\0\xff", b"\0\xff"),
    ("blob", bytearray(b"a"), b"a"),
    ("blob", memoryview(b"a"), b"a"),
    ("bool", True, True),
    ("bool", 0, False),
    ("bool", 1.0, True),
    ("bool", Decimal(0), False),
    ("decimal", Decimal("1.10"), Decimal("1.10")),
    ("decimal", 10**30, Decimal(10**30)),
    ("decimal", 2.0, Decimal(2)),
    ("date", date(2024, 1, 1), date(2024, 1, 1)),
    ("datetime", NOON.replace(tzinfo=None), NOON.replace(tzinfo=None)),
    ("time", time(12), time(12)),
    ("inet", "10.0.0.1", "10.0.0.1"),
    ("inet", "::FFFF", "::ffff"),
    ("inet", ip_address("2001:db8::1"), "2001:db8::1"),
]
REFUSED = [
    *(("float", value) for value in ("1", b"1", None, NAN, INF, -INF, 2**53 + 1, 10**400, Decimal("0.1"))),
    *(("float", value) for value in (Decimal("nan"), Decimal("sNaN"), Decimal("1E+999"), Fraction(1, 3), 1j, [])),
    *(("int", value) for value in ("1", None, 1.5, NAN, INF, 2**63, -(2**63) - 1, float(2**63), 1e300)),
    *(("int", value) for value in (Decimal("1.5"), Decimal("nan"), Decimal("inf"), Fraction(1, 2), Decimal("1E+30"))),
    *(("str", value) for value in (b"a", None, True, Decimal(1), 1j, [], "\ud800", date(2024, 1, 1))),
    *(("text", value) for value in (b"a", None, "\udfff")),
    *(("blob", value) for value in ("a", None, 1, [1])),
    *(("bool", value) for value in (2, 0.5, "x", "", None, NAN, Decimal("nan"), [])),
    *(("decimal", value) for value in (0.5, "1", None, NAN, INF, Decimal("nan"), Decimal("inf"), Fraction(1, 2))),
    *(("date", value) for value in (NOON, "2024-01-01", None, 0)),
    *(("datetime", value) for value in (NOON, date(2024, 1, 1), "2024-01-01", None, 0)),
    *(("time", value) for value in (time(12, tzinfo=UTC), NOON, "12:00", None)),
    *(("inet", value) for value in ("10.0.0.256", "host", "", None, 1, b"abcd")),
]


@pytest.mark.parametrize(("name", "value", "stored"), ACCEPTED)
def test_a_type_accepts_what_it_holds_exactly(name, value, stored):
    found = value_type(name).accept(value)
    assert found == stored
    assert type(found) is type(stored)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_a_type_refuses_everything_else_and_shows_it(name, value):
    with pytest.raises(InvalidValue) as caught:
        value_type(name).accept(value)
    assert show(value) in str(caught.value)


@given(numbers)
def test_what_a_numeric_type_accepts_it_holds_exactly(value):
    for name in ("float", "int", "decimal", "bool"):
        try:
            found = value_type(name).accept(value)
        except InvalidValue:
            continue
        assert found == value


class Money(Enum):
    PENNY = 1


@pytest.mark.parametrize("value", [1, 1.5, "a", b"a", True, None, Decimal(1), Fraction(1, 2), date.min, NOON, time.min])
def test_any_keeps_what_cannot_change(value):
    assert value_type("any").accept(value) is value


@pytest.mark.parametrize("value", [[1, [2]], {"a": [1]}, bytearray(b"a"), Money.PENNY])
def test_any_copies_what_can_change(value):
    found = snapshot(value)
    assert found == value
    if isinstance(value, list):
        value[1].append(3)
        assert found == [1, [2]]


def test_what_cannot_be_copied_is_refused():
    with pytest.raises(InvalidValue, match="cannot be copied"):
        snapshot(generate())


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        *((name, name) for name in ("any", "float", "int", "str", "text", "blob", "bool", "decimal", "date", "inet")),
        *(("datetime", "datetime"), ("time", "time"), ("double", "float"), ("integer", "int"), ("int64", "int")),
        *(("long", "int"), ("string", "str"), ("unicode", "str"), ("clob", "text"), ("boolean", "bool")),
        *((float, "float"), (int, "int"), (str, "str"), (bytes, "blob"), (bool, "bool"), (Decimal, "decimal")),
        *((date, "date"), (datetime, "datetime"), (time, "time"), (object, "any")),
    ],
)
def test_the_names_of_types(spec, name):
    assert value_type(spec).name == name


@pytest.mark.parametrize("spec", ["", "Float", "number", dict, list, 5, None, [], {}, int | str])
def test_an_unknown_type_is_an_error_that_shows_it_and_the_known_ones(spec):
    with pytest.raises(ConfigurationError, match="value_type: unknown type") as caught:
        value_type(spec)
    assert show(spec) in str(caught.value)
    assert "float" in str(caught.value)


# --- Names and messages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", " ", "a ", "é", "🎉", ":", "a.b*?[{$/\"'%\n\t\\", "a" * 10_000, MyStr("x")])
def test_any_other_name_is_good(name):
    assert check_name(name, "name", None) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *(("", "non-empty"), (None, "non-empty"), (b"a", "non-empty"), (5, "non-empty"), (["a"], "non-empty")),
        *(("a\0b", "NUL"), ("\ud800", "surrogate"), ("a\udfff", "surrogate")),
    ],
)
def test_a_bad_name_is_an_error_that_says_why(name, why):
    with pytest.raises(InvalidValue, match=why) as caught:
        check_name(name, "interval", None)
    assert str(caught.value).startswith("interval")


def test_the_length_of_a_name_is_in_bytes():
    assert check_name("é" * 5, "name", 10)
    with pytest.raises(InvalidValue, match="12 bytes long in UTF-8; this backend takes 10"):
        check_name("é" * 6, "name", 10)


def test_messages_show_long_and_broken_values_in_short():
    class Broken:
        def __repr__(self):
            raise RuntimeError

    assert show(Broken()) == "<Broken>"
    assert show("a" * 1000) == "'" + "a" * 76 + "..."
    assert show(10**5000) == "<int>"
