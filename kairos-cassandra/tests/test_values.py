"""Every type of values, there and back, as data of a bucket and as a key."""

from datetime import date, datetime, time
from decimal import Decimal
from ipaddress import ip_address

import pytest

from kairos import InvalidValue

T0 = 1_356_998_400
# One table for each column type, whatever the type is called.
SAMPLES = {
    "double": (("float", "double", float, None), [0.1, -1.5e308, 5e-324, 2.0**53, -0.0, 3.0]),
    "bigint": (("int", "integer", "int64", "long", int), [0, -1, 2**63 - 1, -(2**63)]),
    "text": (("str", "string", "unicode", "text", "clob", str), ["", "é\n\0'\"", "a" * 5000, "€" * 3]),
    "blob": (("blob", bytes), [b"", b"\0\xff", b"x" * 5000]),
    "boolean": (("bool", "boolean", bool), [True, False]),
    "decimal": (("decimal", Decimal), [Decimal("1.10"), Decimal("-1E+50"), Decimal("0.1") ** 30, Decimal(7)]),
    "inet": (("inet",), ["127.0.0.1", "::1", "2001:db8::7"]),
    "date": (("date", date), [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]),
    "timestamp": (
        ("datetime", datetime),
        [
            datetime.fromisoformat("0001-01-01"),
            datetime.fromisoformat("1969-12-31T23:59:59.999"),
            datetime.fromisoformat("2024-02-29T01:02:03.004"),
            datetime.fromisoformat("9999-12-31T23:59:59.999"),
        ],
    ),
    "time": (("time", time), [time(0), time(23, 59, 59, 999_999)]),
}
NAMES = [(column, name) for column, (names, _) in SAMPLES.items() for name in names]


@pytest.mark.parametrize(("column", "name"), NAMES, ids=str)
def test_a_value_comes_back_as_it_was(url, blocking, column, name):
    values = SAMPLES[column][1]
    ts = blocking.open(url, "series", value_type=name, table_name=f"series_{column}")
    ts.insert("a", values, timestamp=T0)
    (found,) = ts.get("a", "minute", timestamp=T0).values()
    assert found == values
    assert list(map(type, found)) == [type(value) for value in values]
    assert list(map(repr, found)) == list(map(repr, values))


@pytest.mark.parametrize("kind", [pytest.param("histogram", marks=pytest.mark.full), "set"])
@pytest.mark.parametrize("column", SAMPLES)
def test_a_key_comes_back_as_it_was(url, blocking, column, kind):
    names, values = SAMPLES[column]
    ts = blocking.open(url, kind, value_type=names[0], table_name=f"{kind}_{column}")
    ts.insert("a", values * 2, timestamp=T0)
    (found,) = ts.get("a", "minute", timestamp=T0).values()
    assert found == (set(values) if kind == "set" else dict.fromkeys(values, 2))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bigint", 2**63),
        ("bigint", 0.5),
        ("double", float("nan")),
        ("double", 2**53 + 1),
        ("double", "1"),
        ("text", "\ud800"),
        ("timestamp", datetime.fromisoformat("2024-01-01T00:00:00.000001")),
        ("inet", "localhost"),
        ("boolean", 2),
        ("decimal", Decimal("inf")),
        ("decimal", Decimal("1E-2147483648")),
    ],
    ids=str,
)
def test_what_a_type_cannot_hold_is_refused(url, blocking, column, value):
    ts = blocking.open(url, "series", value_type=SAMPLES[column][0][0], table_name=f"series_{column}")
    with pytest.raises(InvalidValue, match=r"^series 'a': "):
        ts.insert("a", value, timestamp=T0)
    assert ts.list() == []


@pytest.mark.parametrize(("column", "value"), [("text", "é"), ("blob", b"xx")])
def test_a_key_has_a_length(url, blocking, column, value):
    ts = blocking.open(url, "set", value_type=SAMPLES[column][0][0], table_name=f"set_{column}")
    longest = value * 32_759
    ts.insert("a", longest, timestamp=T0)
    assert ts.get("a", "minute", timestamp=T0) == {T0: {longest}}
    with pytest.raises(InvalidValue, match="65520 bytes long"):
        ts.insert("a", value * 32_760, timestamp=T0)


def test_an_address_may_be_an_object(url, blocking):
    ts = blocking.open(url, "set", value_type="inet", table_name="set_inet")
    ts.insert("a", [ip_address("127.0.0.1"), "127.0.0.1"], timestamp=T0)
    assert ts.get("a", "minute", timestamp=T0) == {T0: {"127.0.0.1"}}


def test_a_value_of_a_megabyte(url, both):
    ts = both.open(url, "series", value_type="blob", table_name="series_blob")
    values = [bytes([number]) * 2**20 for number in range(3)]
    both.run(ts.insert("a", values, timestamp=T0))
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: values}


@pytest.mark.parametrize("kind", ["count", "histogram"])
@pytest.mark.parametrize("prefix", [*(pytest.param(one, marks=pytest.mark.full) for one in ("", "p:")), "it's"])
def test_odd_names(url, both, kind, prefix):
    names = [
        "a'b",
        'a"b',
        "a b ",
        "a;b",
        "--",
        "%s",
        "?",
        ":x",
        "$1",
        "\n",
        "é",
        "e\u0301",
        "\U0001f600",
        "{}",
        "A",
        "a",
    ]
    ts = both.open(url, kind, {name: {"step": 60} for name in ("it's", "a b ", "?", "\n")}, prefix=prefix + kind)
    both.run(ts.delete_all())
    both.run(ts.bulk_insert([(name, number, T0) for number, name in enumerate(names, 1)]))
    assert both.run(ts.list()) == sorted(names)
    for number, name in enumerate(names, 1):
        assert both.run(ts.get(name, "it's", timestamp=T0)) == {T0: number if kind == "count" else {number: 1}}
    assert both.run(ts.delete("a")) == 4
    assert both.run(ts.list()) == sorted(set(names) - {"a"})
    both.run(ts.delete_all())
