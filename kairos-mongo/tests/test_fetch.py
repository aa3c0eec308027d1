"""A custom fetch: what it is told, what it may give, and where its errors go."""

import functools

import pytest
from pymongo import errors
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.collection import Collection

import kairos

T0 = 1_356_998_400
BOTH = {"minute": {"step": 60}, "hour": {"step": 3600, "resolution": 60}}


@pytest.fixture
def counts(both, url):
    timeseries = both.open(url, "count", BOTH)
    both.run(timeseries.bulk_insert([("a", 1, T0), ("a", 2, T0 + 60), ("b", 4, T0)]))
    return timeseries


def test_what_it_is_told(both, url):
    """Everything by keyword; ``find_one`` where a bucket is one document, with the order of the index."""
    told = []

    def fetch(**keywords):
        told.append(keywords)
        return []

    for kind in ("count", "series"):
        timeseries = both.open(url, kind, BOTH)
        both.run(timeseries.insert("a", 1, timestamp=T0))
        both.run(timeseries.get("a", "minute", timestamp=T0, fetch=fetch))
        both.run(timeseries.get("a", "hour", timestamp=T0, fetch=fetch))
        both.run(timeseries.series(["a", "b"], "minute", start=T0, end=T0 + 60, fetch=fetch))
    first = T0 // 60
    sort = [("i_time", 1), ("r_time", 1), ("chunk", 1)]
    minute = {"name": "a", "interval": "minute", "i_time": first}
    hour = {"name": "a", "interval": "hour", "i_time": T0 // 3600}
    for handle in [keywords.pop("handle") for keywords in told]:
        assert isinstance(handle, AsyncCollection if both.asynchronous else Collection)
    spans = [{"name": name, "interval": "minute", "i_time": {"$gte": first, "$lt": first + 2}} for name in ("a", "b")]
    expected = [
        (kind, spec, method)
        for kind in ("count", "series")
        for spec, method in (
            (minute, "find_one" if kind == "count" else "find"),
            (hour, "find"),
            (spans[0], "find"),
            (spans[1], "find"),
        )
    ]
    assert told == [{"spec": spec, "sort": sort, "method": method} for _, spec, method in expected]


def by_list(handle, spec, sort, method):
    """Everything that PyMongo gives."""
    return handle.find(spec, sort=sort)


def one_by_one(handle, spec, sort, method):
    return handle.find_one(spec) if method == "find_one" else handle.find(spec).sort(sort)


async def awaited(handle, spec, sort, method):
    if method == "find_one":
        return await handle.find_one(spec)
    return [document async for document in handle.find(spec, sort=sort)]


async def awaited_cursor(handle, spec, sort, method):
    return handle.find(spec, sort=sort)


def by_aggregate(handle, spec, sort, method):
    return handle.aggregate([{"$match": spec}, {"$sort": dict(sort)}])


@pytest.mark.parametrize(
    "fetch", [by_list, one_by_one, by_aggregate, awaited, awaited_cursor], ids=lambda f: f.__name__
)
def test_every_form_of_answer(both, counts, fetch):
    """A cursor, a document, a list; by a function that is asynchronous or not, under AsyncTimeseries."""
    if fetch in (awaited, awaited_cursor) and not both.asynchronous:
        with pytest.raises(kairos.InvalidValue, match="AsyncTimeseries"):
            both.run(counts.get("a", "minute", fetch=fetch))
        return
    for options in ({"timestamp": T0}, {"timestamp": T0 + 600}):
        for interval in BOTH:
            expected = both.run(counts.get(["a", "b"], interval, **options))
            assert both.run(counts.get(["a", "b"], interval, **options, fetch=fetch)) == expected
    span = {"start": T0 - 60, "end": T0 + 120}
    assert both.run(counts.series("a", "minute", **span, fetch=fetch)) == both.run(counts.series("a", "minute", **span))


def test_another_type_of_data(both, url):
    """A fetch may give what it likes, with a process_row that takes it: here a number for a series (seed: Customized
    Reads)."""
    timeseries = both.open(url, "series", BOTH)
    both.run(timeseries.insert("a", [5, 6, 7], timestamp=T0))

    def lengths(handle, spec, sort, method):
        stages = [{"$match": spec}, {"$project": {"i_time": 1, "r_time": 1, "value": {"$size": "$value"}}}]
        return handle.aggregate(stages)

    keywords = {"fetch": lengths, "process_row": lambda length: length * 10}
    assert both.run(timeseries.get("a", "minute", timestamp=T0, **keywords)) == {T0: 30}
    assert both.run(timeseries.get("a", "hour", timestamp=T0, **keywords)) == {T0: 30}


def test_documents_of_its_own(both, counts):
    """Without i_time where one bucket was asked for; None and empty containers are no data, 0 is."""

    def fixed(value):
        return lambda handle, spec, sort, method: {"value": value}

    assert both.run(counts.get("a", "minute", timestamp=T0, fetch=fixed(9))) == {T0: 9}
    assert both.run(counts.get("a", "minute", timestamp=T0, fetch=fixed(0), process_row=str)) == {T0: "0"}
    assert both.run(counts.get("a", "minute", timestamp=T0, fetch=fixed(None), process_row=str)) == {T0: 0}
    assert both.run(counts.get("a", "minute", timestamp=T0, fetch=lambda **_: None)) == {T0: 0}
    with pytest.raises(TypeError, match="i_time"):
        both.run(counts.series("a", "minute", start=T0, end=T0, fetch=fixed(9)))
    for bad in (5, [5], [{"i_time": 1}], "text"):
        with pytest.raises(TypeError, match="a custom fetch returns"):
            both.run(counts.get("a", "minute", timestamp=T0, fetch=lambda bad=bad, **_: bad))


def refused(handle, spec, sort, method):
    """The server refuses this, when it is executed."""
    return handle.find({"$nonsense": 1})


def refused_later(handle, spec, sort, method):
    return handle.find_one({"$nonsense": 1})


def refused_aggregate(handle, spec, sort, method):
    return handle.aggregate([{"$nonsense": 1}])


async def refused_inside(handle, spec, sort, method):
    return await handle.find_one({"$nonsense": 1})


def raising(error, handle, spec, sort, method):
    raise error


def test_errors_of_what_it_left_to_be_done(both, counts):
    """What is raised while a command is executed that it queued is a BackendError (semantics 2.5): a cursor in both
    colours, a coroutine of the driver's."""
    for fetch in (refused, *([refused_later, refused_aggregate] if both.asynchronous else [])):
        with pytest.raises(kairos.BackendError) as caught:
            both.run(counts.get("a", "minute", fetch=fetch))
        assert isinstance(caught.value.__cause__, errors.OperationFailure)


def test_errors_of_its_own(both, counts):
    """What is raised inside of it passes through unchanged (semantics 2.5), the driver's errors too."""
    for error in (RuntimeError("different event loop"), errors.AutoReconnect("theirs"), KeyError("theirs")):
        with pytest.raises(type(error)) as caught:
            both.run(counts.get("a", "minute", fetch=functools.partial(raising, error)))
        assert caught.value is error
    inside = [refused_inside] if both.asynchronous else [refused_later, refused_aggregate]
    for fetch in inside:
        with pytest.raises(errors.OperationFailure):
            both.run(counts.get("a", "minute", fetch=fetch))
