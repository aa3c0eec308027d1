"""Values: what BSON gives back as it was written, and what is refused because it would not be."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from bson import Decimal128, Int64, ObjectId
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

import kairos

T0 = 1_356_998_400
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


OID = ObjectId()
ANYTHING = [
    OID,
    {"a": [1, {"b": None}]},
    b"\x00",
    True,
    2**62,
    datetime(2012, 2, 29, 1, 2, 3, 4000),  # noqa: DTZ001 - BSON gives naive ones
    Decimal128("1.10"),
    float("inf"),
    "a\0b",
]


def test_whatever_was_written(both, url):
    """Without a value_type a series gives back whatever BSON can hold, of the same type (semantics 3.4)."""
    timeseries = both.open(url, "series")
    both.run(timeseries.insert("a", ANYTHING, timestamp=T0))
    (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
    assert found == ANYTHING
    assert list(map(type, found)) == list(map(type, ANYTHING))


@pytest.mark.parametrize(
    "value",
    [
        2**63,
        Decimal("0.1"),
        date(2012, 2, 29),
        datetime(2012, 2, 29, 1, 2, 3, 4001),  # noqa: DTZ001
        datetime(2012, 2, 29, tzinfo=UTC),
        {"a": (1, 2)},
        {"a": 2**63},
        {1: 2},
        UnicodeError(),
        "\ud800",
        range(3),
    ],
    ids=ascii,
)
def test_what_bson_would_not_give_back(both, url, value):
    """A ValueError before anything is written: nothing is rounded or changed in silence."""
    for kind in ("series", "gauge"):
        timeseries = both.open(url, kind)
        with pytest.raises(kairos.InvalidValue, match=r"(?i)bson"):
            both.run(timeseries.insert("a", value))
        assert both.run(timeseries.list()) == []


def test_what_was_given_may_be_changed_afterwards(both, url):
    """What is stored is what was given when it was given."""
    timeseries = both.open(url, "gauge")
    value = {"a": [1]}
    writing = timeseries.insert("a", value, timestamp=T0)
    value["a"].append(2)
    both.run(writing)
    assert both.run(timeseries.get("a", "minute", timestamp=T0))[T0] in ({"a": [1]}, {"a": [1, 2]})
    assert value == {"a": [1, 2]}


def test_object_ids_as_histogram_keys_and_members(both, url):
    """The seed's own example: references to other objects."""
    for kind, data in (("histogram", {OID: 2, 3: 1, "3": 1}), ("set", {OID, 3, "3"})):
        timeseries = both.open(url, kind)
        both.run(timeseries.insert("a", [OID, OID, 3, "3"], timestamp=T0))
        assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: data}


KEYS = [
    "3.14",
    3.14,
    "$where",
    "a.b",
    "a",
    "",
    1e-07,
    "1e-07",
    "x" * 20_000,
    "\U0001f680.\u00e9",
    "%",
    "%2E",
    "a\0b",
    1,
    "1",
]


def test_odd_histogram_keys(both, url):
    """Each is a key of its own, by itself and among others (issue: typed and escaped)."""
    timeseries = both.open(url, "histogram")
    both.run(timeseries.insert("all", KEYS, timestamp=T0))
    for key in KEYS:
        both.run(timeseries.insert("all", key, timestamp=T0))
    (found,) = both.run(timeseries.get("all", "minute", timestamp=T0)).values()
    assert found == dict.fromkeys(KEYS, 2)
    assert sorted(map(repr, found)) == sorted(map(repr, KEYS))


def test_a_client_that_is_aware_of_zones(url):
    """The codec options of the user's client are taken, and a naive datetime of a named type stays one."""
    with MongoClient(url, tz_aware=True) as client:
        for value_type, value in (
            (None, datetime(2012, 2, 29, tzinfo=UTC)),
            ("datetime", datetime(2012, 2, 29)),  # noqa: DTZ001
            ("date", date(2012, 2, 29)),
        ):
            with kairos.Timeseries(
                client, type="gauge", intervals=BOTH, value_type=value_type, prefix=value_type or "any"
            ) as ts:
                ts.insert("a", value, timestamp=T0)
                assert ts.get("a", "minute", timestamp=T0) == {T0: value}


def test_a_document_class_of_the_users(url):
    """A client that gives raw documents does no harm."""
    with MongoClient(url, document_class=RawBSONDocument) as client:
        assert client.codec_options != CodecOptions()
        with kairos.Timeseries(client, type="histogram", intervals=BOTH) as timeseries:
            timeseries.insert("a", ["x", "x"], timestamp=T0)
            assert timeseries.get("a", "minute", timestamp=T0) == {T0: {"x": 2}}
            assert timeseries.list() == ["a"]


def test_sums_read_as_plain_ints(both, url):
    """Not as the driver's own class for 64 bits."""
    timeseries = both.open(url)
    both.run(timeseries.insert("a", 2**40, timestamp=T0))
    (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
    assert found == 2**40
    assert type(found) is not Int64
