"""Values come back as they went in, whatever their type, in both colours."""

import datetime as dt
import enum
import sqlite3
import uuid
from contextlib import closing
from decimal import Decimal

import pytest
import sqlalchemy as sa

from kairos import CountOverflow, InvalidValue

INT64_MAX = 2**63 - 1
TEXTS = [
    "",
    "x",
    "'",
    '"',
    "%s %(n)s :name ?",
    "; DROP TABLE kairos_series --",
    "\u00e9",
    "e\u0301",
    "x ",
    "X",
    "\n",
    "\0",
    "𝄞",
]
VALUES = {
    "float": [0.0, -1.5, 0.1, 1e-308, 1.7976931348623157e308, 2.0**53 + 2, -0.25],
    "int": [0, 1, -1, INT64_MAX, -INT64_MAX - 1],
    "bool": [True, False],
    "decimal": [Decimal("0.1"), Decimal("-1.25"), Decimal("12345678901234567890.123456789"), Decimal("1E-40")],
    "str": TEXTS,
    "text": [*TEXTS, "x" * 32_768],
    "blob": [b"", b"\0\xff", b"x" * 32_768, b"'"],
    "date": [dt.date(1, 1, 1), dt.date(2013, 2, 28), dt.date(9999, 12, 31)],
    "datetime": [
        dt.datetime.fromisoformat(text)
        for text in ("0001-01-01", "2013-01-02T03:04:05.000006", "9999-12-31T23:59:59.999999")
    ],
    "time": [dt.time(0), dt.time(3, 4, 5, 6), dt.time(23, 59, 59, 999_999)],
    "inet": ["127.0.0.1", "::1", "2001:db8::1"],
}
every_type = pytest.mark.parametrize("value_type", VALUES)


def alike(found, expected):
    assert found == expected
    assert [type(value) for value in found] == [type(value) for value in expected]


@every_type
def test_a_series_gives_back_every_value_in_order(make, url, value_type):
    series = make(url, value_type=value_type)
    values = VALUES[value_type]
    series.insert("a", values, timestamp=0)
    series.insert("a", values[::-1], timestamp=0)
    alike(series.get("a", "minute", timestamp=0)[0], values + values[::-1])


@every_type
def test_a_gauge_gives_back_every_value(make, url, value_type):
    series = make(url, type="gauge", value_type=value_type)
    for value in VALUES[value_type]:
        series.insert("a", value, timestamp=0)
        alike([series.get("a", "minute", timestamp=0)[0]], [value])


@every_type
def test_a_histogram_and_a_set_have_every_value_once(make, url, value_type):
    # Integral numbers are ints as keys, whatever the type of the column (semantics 3.4).
    numbers = (int, float, Decimal)
    keys = [
        int(value) if isinstance(value, numbers) and value == int(value) and abs(value) <= INT64_MAX else value
        for value in VALUES[value_type]
    ]
    histogram, members = (make(url, type=kind, value_type=value_type) for kind in ("histogram", "set"))
    for _ in range(2):
        histogram.insert("a", keys, timestamp=0)
        members.insert("a", keys, timestamp=0)
    found = histogram.get("a", "minute", timestamp=0)[0]
    assert found == dict.fromkeys(keys, 2)
    assert {type(key) for key in found} == {type(key) for key in keys}
    assert members.get("a", "minute", timestamp=0)[0] == set(keys)


def test_a_decimal_keeps_its_digits(make, url):
    series = make(url, value_type="decimal")
    series.insert("a", [Decimal("1.10"), Decimal("1.1"), Decimal("1E+2"), 3], timestamp=0)
    found = series.get("a", "minute", timestamp=0)[0]
    assert [str(value) for value in found] == ["1.10", "1.1", "1E+2", "3"]


def test_more_rows_than_one_statement_holds(make, url):
    histogram = make(url, type="histogram", value_type="int")
    keys = list(range(173))
    for _ in range(2):
        histogram.bulk_insert([("a", keys, 0), ("b", keys[:50], 0), ("c", keys[:49], 60)])
    assert histogram.get("a", "minute", timestamp=0)[0] == dict.fromkeys(keys, 2)
    assert histogram.get("b", "minute", timestamp=0)[0] == dict.fromkeys(keys[:50], 2)
    assert histogram.get("c", "minute", timestamp=60)[60] == dict.fromkeys(keys[:49], 2)


def test_a_value_that_is_too_long_writes_nothing(make, url):
    series = make(url, value_type="str", string_length=10)
    with pytest.raises(InvalidValue, match="takes 10"):
        series.insert("a", ["fits", "x" * 11], timestamp=0)
    with pytest.raises(InvalidValue, match="takes 10"):
        series.insert("x" * 11, "fits", timestamp=0)
    assert series.list() == []


class Colour(enum.Enum):
    red = 1
    blue = 2


@pytest.mark.parametrize(
    ("value_type", "values"),
    [
        (sa.Uuid(), [uuid.UUID(int=1), uuid.UUID(int=2**127)]),
        (sa.Enum(Colour), [Colour.red, Colour.blue]),
        (sa.Interval(), [dt.timedelta(days=1, microseconds=1)]),
        (sa.Numeric(10, 2), [Decimal("12345678.25")]),
        (sa.String(3), ["abc"]),
        (sa.Integer, [1, -5]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("kind", ["series", "histogram", "set", "gauge"])
def test_a_type_of_sqlalchemy(make, url, kind, value_type, values):
    series = make(url, type=kind, value_type=value_type)
    series.insert("a", values, timestamp=0)
    expected = {"series": values, "histogram": dict.fromkeys(values, 1), "set": set(values), "gauge": values[-1]}
    assert series.get("a", "minute", timestamp=0)[0] == expected[kind]


def test_json_in_a_series(make, url):
    series = make(url, value_type=sa.JSON)
    values = [{"a": [1, None]}, "x", 1.5, {}]
    for value in values:
        series.insert("a", [value], timestamp=0)
    assert series.get("a", "minute", timestamp=0)[0] == values


@pytest.mark.parametrize(
    ("value_type", "value"),
    [(sa.Uuid(), "no uuid"), (sa.Enum("a", "b"), "c"), (sa.Enum(Colour), "red"), (sa.JSON, {1, 2}), (sa.Uuid(), 5)],
    ids=repr,
)
def test_what_a_type_of_sqlalchemy_cannot_store_writes_nothing(make, url, value_type, value):
    series = make(url, value_type=value_type)
    with pytest.raises(InvalidValue):
        series.bulk_insert([("a", [value], 0)])
    assert series.list() == []


class Anything(sa.types.UserDefinedType):
    """A column whose values go to the driver as they are."""

    cache_ok = True

    def get_col_spec(self):
        return "ANYTHING"


@pytest.mark.parametrize("value", [object(), 2**64, 1j], ids=["object", "large int", "complex"])
def test_what_the_driver_refuses_writes_nothing(make, url, value):
    series = make(url, value_type=Anything())
    with pytest.raises(InvalidValue, match="driver refuses"):
        series.bulk_insert([("a", 1, 0), ("a", value, 0)])
    assert series.list() == []
    series.insert("a", 1, timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: [1]}


# --- Counts ---------------------------------------------------------------------------------------------------------


def test_a_count_adds_integers_exactly_and_mixes_floats(make, url):
    count = make(url, type="count")
    count.insert("a", 2**62, timestamp=0)
    count.insert("a", 2**61 + 1, timestamp=0)
    assert count.get("a", "minute", timestamp=0)[0] == 2**62 + 2**61 + 1
    count.insert("a", 1.0, timestamp=0)
    assert count.get("a", "minute", timestamp=0)[0] == 2**62 + 2**61 + 2
    count.insert("b", 0.5, timestamp=0)
    count.insert("b", 1, timestamp=0)
    assert count.get("b", "minute", timestamp=0)[0] == 1.5
    count.insert("b", 0.5, timestamp=0)
    found = count.get("b", "minute", timestamp=0)[0]
    assert found == 2
    assert type(found) is int


@pytest.mark.parametrize("step", [INT64_MAX, -INT64_MAX - 1])
def test_an_overflow_is_an_error_that_changes_nothing(make, url, step):
    count = make(url, type="count")
    count.bulk_insert([("a", step, 0), ("b", 1, 0)])
    with pytest.raises(CountOverflow):
        count.bulk_insert([("b", 1, 0), ("a", 1 if step > 0 else -1, 0), ("c", 1, 0)])
    assert count.get("a", "minute", timestamp=0)[0] == step
    assert count.get("b", "minute", timestamp=0)[0] == 1
    assert count.list() == ["a", "b"]


def test_a_sum_of_floats_past_their_range_is_an_error_that_changes_nothing(make, url):
    count = make(url, type="count")
    count.insert("a", 1.7e308, timestamp=0)
    with pytest.raises(CountOverflow):
        count.insert("a", 1.7e308, timestamp=0)
    assert count.get("a", "minute", timestamp=0)[0] == 1.7e308


# --- The minute before 1970 -----------------------------------------------------------------------------------------

HOUR = {"hour": {"step": 3600, "resolution": 60}}


def test_resolution_bucket_minus_one_is_not_taken_for_none(make, url):
    """-1 in the column r_time stands for no resolution, and is a bucket too: it is stored as another number."""
    fine = make(url, type="count", intervals=HOUR)
    coarse = make(url, type="count", intervals={"hour": {"step": 3600}})
    for second in (-1, -61, -121, 0):
        fine.insert("a", 1, timestamp=second)
    coarse.insert("a", 10, timestamp=-1)
    expected = {-180: 1, -120: 1, -60: 1}
    assert fine.get("a", "hour", timestamp=-1) == expected
    assert list(fine.get("a", "hour", timestamp=-1)) == [-180, -120, -60]
    assert coarse.get("a", "hour", timestamp=-1) == {-3600: 10}
    assert fine.properties("a") == {"hour": {"first": -3600, "last": 0}}
    assert fine.delete("a") == 5


def test_what_an_earlier_configuration_stored_is_passed_over(make, url):
    fine = make(url, type="count", intervals=HOUR)
    coarse = make(url, type="count", intervals={"hour": {"step": 3600}})
    fine.insert("a", 1, timestamp=7200)
    coarse.insert("a", 10, timestamp=7200)
    assert fine.get("a", "hour", timestamp=7200) == {7200: 1}
    assert coarse.get("a", "hour", timestamp=7200) == {7200: 10}


def test_the_database_keeps_names_by_their_bytes(make, url, path):
    names = ["a", "A", "a ", " a", "\u00e9", "e\u0301", "a\n", "%", "a'b", "*", "a:b"]
    count = make(url, type="count")
    count.bulk_insert([(name, number, 0) for number, name in enumerate(names)])
    assert count.list() == sorted(names)
    for number, name in enumerate(names):
        assert count.get(name, "minute", timestamp=0) == {0: number}
    assert count.get(names, "minute", timestamp=0, join_rows=list) == {0: list(range(len(names)))}
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(DISTINCT name) FROM kairos_count").fetchone() == (len(names),)
