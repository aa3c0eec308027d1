"""Which SQL type holds a type of values, and which values it takes."""

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from kairos import ConfigurationError, InvalidValue
from kairos_sql import SQLBackend
from kairos_sql._types import ExactDecimal, stored_type

# The seed's list, and what the table on SQLite declares.
NAMED = {
    "DOUBLE": [None, "float", float, "double"],
    "BIGINT": ["int", "int64", "integer", "long", int],
    "BOOLEAN": ["bool", "boolean", bool],
    "CHAR": ["decimal", Decimal],
    "DATE": ["date", dt.date],
    "DATETIME": ["datetime", dt.datetime],
    "TIME": ["time", dt.time],
    "VARCHAR(255)": ["str", "string", "unicode", str, "inet"],
    "TEXT": ["text", "clob"],
    "BLOB": ["blob", bytes],
}
SPECS = [(spec, declared) for declared, specs in NAMED.items() for spec in specs]


@pytest.mark.parametrize(("spec", "declared"), SPECS, ids=repr)
def test_every_name_and_python_type_of_the_seed_has_a_column(spec, declared):
    assert stored_type(spec).column.compile(dialect=sqlite.dialect()) == declared


def test_a_backend_without_a_value_type_stores_floats():
    assert SQLBackend.resolve_value_type(None).name == "float"


@pytest.mark.parametrize("spec", ["any", object, "nonsense", 7, list, sa.types.NullType(), [], sa.types.NullType])
def test_what_is_no_type_of_a_column_is_refused(spec):
    with pytest.raises(ConfigurationError, match=r"^value_type: "):
        stored_type(spec)


def test_decimals_are_exact_numbers_where_the_database_has_them():
    assert ExactDecimal().compile(dialect=postgresql.dialect()) == "NUMERIC"
    assert ExactDecimal(10, 2).compile(dialect=postgresql.dialect()) == "NUMERIC(10, 2)"


@pytest.mark.parametrize(
    ("spec", "name", "key"),
    [
        (sa.Integer, "int", True),
        (sa.SmallInteger(), "int", True),
        (sa.Boolean(), "bool", True),
        (sa.Float, "float", True),
        (sa.Double(), "float", True),
        (sa.Numeric, "decimal", True),
        (sa.Date(), "date", True),
        (sa.DateTime, "datetime", True),
        (sa.Time, "time", True),
        (sa.String(10), "str", False),
        (sa.Unicode(10), "str", False),
        (sa.Text, "str", False),
        (sa.LargeBinary(10), "blob", False),
        (sa.Uuid(), "any", False),
        (sa.JSON, "any", False),
        (sa.Enum("a", "b"), "any", False),
        (sa.Interval(), "any", False),
    ],
    ids=repr,
)
def test_types_of_sqlalchemy_check_their_values_like_the_named_ones(spec, name, key):
    found = stored_type(spec)
    assert (found.values.name, found.key) == (name, key)


@pytest.mark.parametrize(
    "spec",
    [
        *(sa.DateTime(timezone=True), sa.Time(timezone=True), sa.Float(asdecimal=True), sa.Numeric(asdecimal=False)),
        *(sa.ARRAY, sa.types.TypeDecorator),
    ],
    ids=repr,
)
def test_types_that_would_lose_something_or_lack_arguments_are_refused(spec):
    with pytest.raises(ConfigurationError, match=r"^value_type: "):
        stored_type(spec)


DIALECTS = {dialect.name: dialect for dialect in (postgresql.dialect(), mysql.dialect(), sqlite.dialect())}
POSTGRESQL, MYSQL, SQLITE = DIALECTS


@pytest.mark.parametrize(
    ("spec", "dialect", "lost"),
    [
        (sa.REAL, POSTGRESQL, "24 of the 53 bits"),
        (sa.Float(24), POSTGRESQL, "24 of the 53 bits"),
        (sa.Float, MYSQL, "24 of the 53 bits"),
        (sa.Float(24), MYSQL, "24 of the 53 bits"),
        (mysql.DOUBLE(10, 2, asdecimal=False), MYSQL, "number of places"),
        (mysql.FLOAT(10, 2), MYSQL, "number of places"),
        (sa.CHAR(5), POSTGRESQL, "the end of a value"),
        (sa.CHAR(5), MYSQL, "the end of a value"),
        (sa.NCHAR(5), MYSQL, "the end of a value"),
        (sa.BINARY(5), MYSQL, "the end of a value"),
        (mysql.DATETIME, MYSQL, "microseconds"),
        (mysql.TIME(fsp=3), MYSQL, "microseconds"),
        (sa.TIMESTAMP, MYSQL, "microseconds"),
        (sa.Interval, MYSQL, "microseconds"),
        (postgresql.TIMESTAMP(precision=0), POSTGRESQL, "microseconds"),
        (postgresql.TIME(precision=3), POSTGRESQL, "microseconds"),
    ],
    ids=repr,
)
def test_a_type_in_which_a_database_would_change_values_is_refused(spec, dialect, lost):
    with pytest.raises(ConfigurationError, match=rf"^value_type: .* on {dialect} would .*{lost}"):
        stored_type(spec).on(DIALECTS[dialect])


@pytest.mark.parametrize(
    ("spec", "dialects"),
    [
        *((name, [POSTGRESQL, MYSQL, SQLITE]) for _, names in NAMED.items() for name in names),
        *((spec, [POSTGRESQL, MYSQL, SQLITE]) for spec in (sa.DateTime, sa.Time(), sa.Double, sa.Float(53))),
        *(
            (spec, [POSTGRESQL, MYSQL, SQLITE])
            for spec in (sa.Numeric(5, 2), sa.Integer, sa.Enum("a", name="letters"), sa.Text)
        ),
        (sa.Float, [POSTGRESQL, SQLITE]),
        (sa.REAL, [MYSQL, SQLITE]),
        (sa.TIMESTAMP, [POSTGRESQL, SQLITE]),
        (sa.Interval, [POSTGRESQL, SQLITE]),
        (mysql.DATETIME(fsp=6), [MYSQL]),
        (sa.CHAR(5), [SQLITE]),
    ],
    ids=repr,
)
def test_a_type_that_keeps_every_value_is_taken(spec, dialects):
    for dialect in dialects:
        assert stored_type(spec).on(DIALECTS[dialect]).column


@pytest.mark.parametrize(
    ("spec", "dialect", "least", "greatest"),
    [
        (sa.SmallInteger, POSTGRESQL, -(2**15), 2**15 - 1),
        (sa.Integer, POSTGRESQL, -(2**31), 2**31 - 1),
        (sa.Integer, MYSQL, -(2**31), 2**31 - 1),
        (mysql.TINYINT, MYSQL, -128, 127),
        (mysql.INTEGER(11, unsigned=True), MYSQL, 0, 2**32 - 1),
        (mysql.BIGINT(unsigned=True), MYSQL, 0, 2**63 - 1),
        (sa.BigInteger, MYSQL, -(2**63), 2**63 - 1),
        (sa.SmallInteger, SQLITE, -(2**63), 2**63 - 1),
    ],
    ids=repr,
)
def test_an_integer_that_does_not_fit_its_column_is_refused(spec, dialect, least, greatest):
    accept = stored_type(spec).on(DIALECTS[dialect]).values.accept
    assert [accept(least), accept(greatest)] == [least, greatest]
    for value in (least - 1, greatest + 1):
        with pytest.raises(InvalidValue, match=str(value)):
            accept(value)


@pytest.mark.parametrize(
    ("spec", "fits", "too_long"),
    [
        ("str", "é" * 255, "é" * 256),
        ("text", "é" * 32_768, "é" * 32_769),
        ("blob", b"x" * 32_768, b"x" * 32_769),
        (sa.String(3), "abc", "abcd"),
        (sa.Text(3), "abc", "abcd"),
        (sa.LargeBinary(3), b"abc", b"abcd"),
    ],
    ids=["str", "text", "blob", "String", "Text", "LargeBinary"],
)
def test_a_value_longer_than_its_column_is_refused(spec, fits, too_long):
    accept = stored_type(spec).values.accept
    assert accept(fits) == fits
    with pytest.raises(InvalidValue, match=f"{len(too_long)} long"):
        accept(too_long)


def test_the_lengths_can_be_set():
    assert stored_type("str", string_length=3).column.length == 3
    with pytest.raises(InvalidValue, match="takes 3"):
        stored_type("str", string_length=3).values.accept("abcd")
    with pytest.raises(InvalidValue, match="takes 4"):
        stored_type("text", text_length=4).values.accept("abcde")


@pytest.mark.parametrize("value", ["0", "1.25", "-999.99", "1E+2", "9.90", "0.00", "100.000"])
def test_a_decimal_that_fits_its_precision_is_taken(value):
    assert stored_type(sa.Numeric(5, 2)).values.accept(Decimal(value)) == Decimal(value)


@pytest.mark.parametrize("value", ["1.255", "1000", "1E+3", "0.001", "123456789012345678901234567890.1"])
def test_a_decimal_that_would_be_rounded_is_refused(value):
    with pytest.raises(InvalidValue, match=r"NUMERIC\(5, 2\)"):
        stored_type(sa.Numeric(5, 2)).values.accept(Decimal(value))


@pytest.mark.parametrize(
    ("spec", "raw", "value"),
    [
        ("float", 1, 1.0),
        ("float", Decimal("1.5"), 1.5),
        ("int", 2.0, 2),
        ("bool", 1, True),
        ("decimal", "1.10", Decimal("1.10")),
        ("decimal", 3, Decimal(3)),
        ("date", "2013-01-02", dt.date(2013, 1, 2)),
        ("datetime", "2013-01-02 03:04:05.000006", dt.datetime.fromisoformat("2013-01-02T03:04:05.000006")),
        ("time", "03:04:05.000006", dt.time(3, 4, 5, 6)),
        ("blob", memoryview(b"x"), b"x"),
        ("str", "x", "x"),
        ("float", "x", "x"),
    ],
)
def test_what_plain_sql_reads_is_cast(spec, raw, value):
    found = stored_type(spec).cast(raw)
    assert found == value
    assert type(found) is type(value)
