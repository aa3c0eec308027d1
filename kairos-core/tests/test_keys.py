"""The canonical form of histogram keys and set members: equal keys are one key, written in one way, and NaN is none."""

from datetime import date
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos import InvalidValue
from kairos.values import INT64_MAX, INT64_MIN, canonical_key


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


NAN = float("nan")
INF = float("inf")


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (True, 1),
        (False, 0),
        (1.0, 1),
        (-0.0, 0),
        (MyFloat(2.0), 2),
        (MyInt(2), 2),
        (Level.HIGH, 3),
        (Decimal("1.00"), 1),
        (Decimal("-0"), 0),
        (Decimal("1E+3"), 1000),
        (Fraction(4, 2), 2),
        (float(-(2**63)), INT64_MIN),
        (Decimal(INT64_MAX), INT64_MAX),
        (10**30, 10**30),
    ],
)
def test_integral_keys_are_ints(value, key):
    found = canonical_key(value)
    assert found == key
    assert type(found) is int


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (1.5, "1.5"),
        (float(2**63), "9.223372036854775808e18"),
        (1e300, "1e300"),
        (INF, "inf"),
        (MyFloat(0.5), "0.5"),
    ],
)
def test_other_floats_stay_floats(value, key):
    found = canonical_key(value)
    assert type(found) is float
    assert found == float(key)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("1.50", "1.5"),
        ("-1.2300", "-1.23"),
        ("0.000", "0"),
        ("9223372036854775808.000", "9223372036854775808"),
        ("1E+40", "1E+40"),
        ("1000E+37", "1E+40"),
        ("0.1234567890123456789012345678901234567890", "0.123456789012345678901234567890123456789"),
        ("Infinity", "Infinity"),
    ],
)
def test_equal_decimals_are_written_alike(value, key):
    assert str(canonical_key(Decimal(value))) == key


@pytest.mark.parametrize("value", ["1", "", b"1", Colour.RED, (1, 2), Fraction(1, 2), date(2024, 1, 1), frozenset({1})])
def test_other_keys_stay_as_they_are(value):
    assert canonical_key(value) is value


@pytest.mark.parametrize(
    "value", [NAN, MyFloat("nan"), Decimal("nan"), Decimal("sNaN"), complex("nan"), complex(0, NAN)]
)
def test_nan_is_no_key(value):
    with pytest.raises(InvalidValue, match="NaN"):
        canonical_key(value)


@pytest.mark.parametrize("value", [[], {}, set(), bytearray(b""), ([],), Unhashable()])
def test_what_has_no_hash_is_no_key(value):
    with pytest.raises(InvalidValue, match="not hashable"):
        canonical_key(value)


numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-(2**63), 2**63 - 1).map(float),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.booleans(),
    st.fractions(),
)


@given(numbers)
def test_a_canonical_key_is_equal_to_its_value_and_stays_the_same(value):
    key = canonical_key(value)
    assert key == value
    assert hash(key) == hash(value)
    again = canonical_key(key)
    assert again == key
    assert type(again) is type(key)


@given(st.integers(INT64_MIN, INT64_MAX))
def test_every_way_to_write_an_integer_is_one_key(number):
    ways = [number, Decimal(number), Decimal(f"{number}.0"), Fraction(number)]
    if float(number) == number:
        ways.append(float(number))
    assert [type(canonical_key(way)) for way in ways] == [int] * len(ways)
    assert {canonical_key(way) for way in ways} == {number}
