"""What is in the collection, and what comes back of it."""

import time
from datetime import UTC

import pytest
from pymongo import ASCENDING, MongoClient

import kairos
from kairos_conformance.servers import Lasting, secantus

T0 = 1_356_998_400
MIB = 2**20
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


def document(database, collection, **where):
    (found,) = database[collection].find(where, {"_id": 0})
    return found


# --- The layout -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "stored"),
    [
        ("count", [1, 2], 3),
        ("gauge", [1, "x"], "x"),
        ("histogram", ["a.b", "a.b", 2.0, "$where"], {"sa%2Eb": 2, "i2": 1, "s$where": 1}),
        ("series", [1, {"a": 1}, "x"], [1, {"a": 1}, "x"]),
        ("set", [1, True], [1]),
    ],
)
def test_the_documented_layout(both, url, database, kind, values, stored):  # noqa: PLR0917
    """The names and types of the fields are public: docs/mongodb.md shows them."""
    timeseries = both.open(url, kind, BOTH)
    both.run(timeseries.insert("a", values, timestamp=T0 + 60))
    common = {"name": "a", "chunk": 0, "value": stored}
    bucket = T0 // 60 + 1
    assert document(database, f"kairos_{kind}", interval="minute") == {
        **common,
        "interval": "minute",
        "i_time": bucket,
        "r_time": None,
    }
    assert document(database, f"kairos_{kind}", interval="hour") == {
        **common,
        "interval": "hour",
        "i_time": T0 // 3600,
        "r_time": bucket,
    }


def test_the_documented_indexes(both, url, database):
    """A unique one for the cells, named after what it holds, and a sparse TTL index."""
    both.run(both.open(url, "series", value_type="text").insert("a", "x", timestamp=T0))
    indexes = database["kairos_series"].index_information()
    assert indexes == {
        "_id_": {"v": 2, "key": [("_id", 1)]},
        "kairos_series_text": {
            "v": 2,
            "key": [("name", 1), ("interval", 1), ("i_time", 1), ("r_time", 1), ("chunk", 1)],
            "unique": True,
        },
        "kairos_expires_at": {"v": 2, "key": [("expires_at", 1)], "expireAfterSeconds": 0, "sparse": True},
    }


def test_the_names_of_collections(both, url, database):
    """``kairos_<type>``, or what the user says, and the prefix; what a name may not hold is escaped."""
    for prefix in ("", "shop", "a.b$c%"):
        both.run(both.open(url, prefix=prefix).insert("x"))
    both.run(both.open(url, collection="counts", prefix="shop:").insert("x"))
    assert "kairos_count:a.b$c%" in database["kairos_count_a%2Eb%24c%25"].index_information()
    assert sorted(database.list_collection_names()) == [
        "counts_shop",
        "kairos_count",
        "kairos_count_a%2Eb%24c%25",
        "kairos_count_shop",
    ]


@pytest.mark.parametrize("name", ["", "a$b", "a\0b", ".a", "a.", "a..b", "system.views"])
def test_a_bad_name_of_a_collection(both, url, name):
    """A ConfigurationError that names the key, before anything is sent."""
    with pytest.raises(kairos.ConfigurationError, match=r"^collection: "):
        both.open(url, collection=name)


def test_a_prefix_that_is_too_long(both, url):
    """MongoDB limits the name of a collection to 255 bytes, with that of the database."""
    with pytest.raises(kairos.ConfigurationError, match=r"^prefix: .* 255"):
        both.open(url, prefix="x" * 250)
    with pytest.raises(kairos.ConfigurationError, match=r"^collection: .* 255"):
        both.open(url, collection="x" * 250)


# --- Indexes that are there ----------------------------------------------------------------------------------------


def test_a_ttl_index_with_other_options(both, url, database):
    """It is named, in reading and writing, and left alone."""
    database["kairos_count"].create_index("expires_at", name="theirs", expireAfterSeconds=3600)
    timeseries = both.open(url)
    for verb in (lambda: timeseries.insert("a"), timeseries.list):
        with pytest.raises(kairos.ConfigurationError, match=r"^collection: the index 'theirs' of 'kairos_count'"):
            both.run(verb())
    assert "theirs" in database["kairos_count"].index_information()


@pytest.mark.parametrize("options", [{"name": "theirs"}, {"name": "theirs", "unique": True}])
def test_another_index_of_the_same_key(both, url, database, options):
    """It is named, and left alone."""
    key = [(field, ASCENDING) for field in ("name", "interval", "i_time", "r_time", "chunk")]
    database["kairos_count"].create_index(key, **options)
    with pytest.raises(kairos.ConfigurationError, match=r"^collection: the index 'theirs'"):
        both.run(both.open(url).insert("a"))


def test_a_collection_of_somebody_else(both, url, database):
    """A collection with documents that kairos did not make is neither read nor written."""
    database["kairos_count"].insert_one({"name": "theirs"})
    timeseries = both.open(url)
    for verb in (lambda: timeseries.insert("a"), timeseries.list, timeseries.delete_all):
        with pytest.raises(kairos.ConfigurationError, match=r"^collection: 'kairos_count' holds documents"):
            both.run(verb())
    assert [found["name"] for found in database["kairos_count"].find()] == ["theirs"]


def test_a_collection_of_another_type(both, url):
    """What it holds is said, and by which type it was opened."""
    both.run(both.open(url, "series", value_type="int", collection="mine").insert("a", 1))
    for kind, value_type, message in (
        ("series", "text", "holds a series of int, not a series of text"),
        ("set", "int", "holds a series of int, not a set of int"),
        ("count", None, "holds a series of int, not a count"),
    ):
        timeseries = both.open(url, kind, value_type=value_type, collection="mine")
        for verb in (lambda: timeseries.insert("a", 1), timeseries.list):  # noqa: B023 - called at once
            with pytest.raises(kairos.ConfigurationError, match=message):
                both.run(verb())


def test_a_collection_of_another_prefix(both, url):
    """Though the names of a collection and a prefix come to the same (semantics 2.4)."""
    both.run(both.open(url, collection="x", prefix="b_c").insert("a"))
    for collection, prefix in (("x_b_c", ""), ("x_b", "c")):
        timeseries = both.open(url, collection=collection, prefix=prefix)
        message = f"^collection: 'x_b_c' holds a count of the prefix 'b_c', not a count of the prefix '{prefix}'"
        for verb in (lambda: timeseries.insert("a"), timeseries.list):  # noqa: B023 - called at once
            with pytest.raises(kairos.ConfigurationError, match=message):
                both.run(verb())


def test_a_dropped_ttl_index_is_made_again_by_the_next_who_inserts(both, url, database):
    """And reading goes on without it: it only reclaims space."""
    both.run(both.open(url).insert("a", timestamp=T0))
    database["kairos_count"].drop_index("kairos_expires_at")
    assert both.run(both.open(url).list()) == ["a"]
    both.run(both.open(url).insert("a"))
    assert "kairos_expires_at" in database["kairos_count"].index_information()


def test_create_false_names_the_missing_index(both, url, database):
    """Nothing is made."""
    timeseries = both.open(url, create=False)
    with pytest.raises(kairos.BackendError, match=r"kairos_count has no index kairos_count and no kairos_expires_at"):
        both.run(timeseries.insert("a"))
    assert database.list_collection_names() == []


# --- Reading by the index ------------------------------------------------------------------------------------------


def test_every_read_uses_an_index(url, database, is_mongod):
    """IXSCAN in `explain`, never COLLSCAN: one bucket, a range, several names; names and bounds skip through it."""
    with kairos.Timeseries(url, intervals=BOTH) as timeseries:
        timeseries.bulk_insert([(f"n{number % 5}", 1, T0 + 60 * number) for number in range(50)])
        explained = []

        def plan(handle, spec, sort, method):
            explained.append(str(handle.find(spec, sort=sort).explain()["queryPlanner"]["winningPlan"]))
            return None if method == "find_one" else []

        timeseries.get("n1", "minute", timestamp=T0, fetch=plan)
        timeseries.get("n1", "hour", timestamp=T0, fetch=plan)
        timeseries.series("n1", "minute", start=T0, end=T0 + 3600, fetch=plan)
        timeseries.series("n1", "hour", start=T0, end=T0 + 7200, fetch=plan)
    if is_mongod:  # the wire server's planner takes no index for $in and $lookup
        collection = database["kairos_count"]
        spec = {"name": {"$in": ["n1", "n2"]}, "interval": "minute", "i_time": {"$gte": 0, "$lte": 10**8}}
        explained.append(str(collection.find(spec).explain()["queryPlanner"]["winningPlan"]))
    assert len(explained) == (5 if is_mongod else 4)
    assert [one for one in explained if "IXSCAN" not in one or "COLLSCAN" in one] == []


# --- More than one document -----------------------------------------------------------------------------------------


def test_a_series_that_passes_16_mb(both, url, database):
    """It goes on in further chunks and is read back whole and in order; a chunk that is full stays closed, though a
    small value would still fit."""
    timeseries = both.open(url, "series")
    written = []
    for turn, size in enumerate((6, 6, 3, 0, 6, 6, 0, 9, 0)):
        values = [f"{turn}-{number}-".ljust(MIB // 2, "x") for number in range(2 * size)] or [f"small {turn}"]
        both.run(timeseries.insert("a", values, timestamp=T0))
        written += values
    (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
    assert [value[:10] for value in found] == [value[:10] for value in written]
    assert found == written
    chunks = [one["chunk"] for one in database["kairos_series"].find({}, {"chunk": 1}, sort=[("chunk", 1)])]
    assert chunks == [-(2**31), -(2**31) + 1, 0]
    find = lambda handle, spec, sort, method: handle.find(spec, sort=sort)  # noqa: E731
    assert both.run(timeseries.get("a", "minute", timestamp=T0, fetch=find)) == {T0: written}
    assert both.run(timeseries.delete("a")) == 1
    assert database["kairos_series"].count_documents({}) == 0


def test_one_insert_of_more_than_16_mb(both, url, database):
    """It is sent in pieces; every piece is a document that MongoDB takes."""
    for kind in ("series",) if both.asynchronous else ("series", "histogram", "set"):  # the pieces are the same
        timeseries = both.open(url, kind)
        values = [f"{number}-".ljust(MIB, "x") for number in range(17)]
        both.run(timeseries.bulk_insert([("a", values, T0), ("b", values[:2], T0)]))
        (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
        assert sorted(found) == sorted(values)
        if kind == "series":
            assert found == values
        assert database[f"kairos_{kind}"].count_documents({"name": "a"}) > 1
        assert both.run(timeseries.delete("a")) == 1


@pytest.mark.parametrize("kind", ["gauge", "histogram", "series", "set"])
def test_a_value_of_more_than_16_mb(both, url, kind):
    """A ValueError before anything is sent."""
    timeseries = both.open(url, kind)
    with pytest.raises(kairos.InvalidValue, match="bytes"):
        both.run(timeseries.bulk_insert([("a", "x", T0), ("b", "x" * (17 * MIB), T0)]))
    assert both.run(timeseries.list()) == []


# --- Expiry ---------------------------------------------------------------------------------------------------------


def test_expires_at_depends_on_the_bucket_alone(both, url, database):
    """A late insert does not shorten a life, a repeated one does not lengthen it, other ``steps`` set it anew."""
    now = int(time.time()) // 3600 * 3600
    timeseries = both.open(url, intervals={"hour": {"step": 3600, "steps": 3}})
    life = lambda: database["kairos_count"].find_one()["expires_at"].replace(tzinfo=UTC).timestamp()  # noqa: E731
    for _ in range(2):
        both.run(timeseries.insert("a", timestamp=now - 3600))
        assert life() == now + 2 * 3600
    for steps, expected in ((5, now + 4 * 3600), (3, now + 2 * 3600)):
        changed = both.open(url, intervals={"hour": {"step": 3600, "steps": steps}})
        both.run(changed.insert("a", timestamp=now - 3600))
        assert life() == expected
    both.run(both.open(url, intervals={"hour": {"step": 3600}}).insert("a", timestamp=now - 3600))
    assert "expires_at" not in database["kairos_count"].find_one()


def test_what_is_past_and_not_yet_reaped_is_hidden(both, url, database):
    """Though the documents are there (semantics 1.5)."""
    now = int(time.time())
    clock = [now]
    timeseries = both.open(url, intervals={"day": {"step": 86_400, "steps": 2}}, clock=lambda: clock[0])
    both.run(timeseries.bulk_insert([("a", 1, now), ("b", 1, now + 86_400)]))
    clock[0] = now + 2 * 86_400
    assert both.run(timeseries.list()) == ["b"]
    assert both.run(timeseries.properties("a")) == {}
    assert both.run(timeseries.get("a", "day", timestamp=now)) == {now // 86_400 * 86_400: 0}
    assert both.run(timeseries.delete("a")) == 0
    assert database["kairos_count"].count_documents({"name": "a"}) == 0


QUICK = Lasting(lambda: secantus(ttl_sweep_seconds=1))


def test_the_server_reaps_what_is_past():
    """Of all names, and nothing else. The clock of kairos stands an hour ago, or it would not send what is past."""
    server = QUICK.demand()
    now = int(time.time())
    for kind in ("count", "series"):
        intervals = {"short": {"step": 60, "steps": 2}, "long": {"step": 60, "steps": 1000}, "all": {"step": 60}}
        with kairos.Timeseries(
            f"{server.url}reaping", type=kind, intervals=intervals, clock=lambda: now - 3600
        ) as timeseries:
            timeseries.bulk_insert([("a", 1, None), ("b", 1, now + 3600)])
            with MongoClient(server.url) as client:
                collection = client["reaping"][f"kairos_{kind}"]
                deadline = time.monotonic() + 30
                while collection.count_documents({}) > 5 and time.monotonic() < deadline:
                    time.sleep(0.05)
                left = sorted((one["name"], one["interval"]) for one in collection.find())
            assert left == [("a", "all"), ("a", "long"), ("b", "all"), ("b", "long"), ("b", "short")]
