"""The verbs in both colours: what they do and return, and which arguments they refuse."""

import asyncio
import inspect

import pytest

from kairos import AsyncTimeseries, BackendError, InvalidValue, Timeseries, UnknownInterval, Written

INTERVALS = {"minute": {"step": 60}, "hour": {"step": "1h", "resolution": "1min"}}
VERBS = ("insert", "bulk_insert", "get", "series", "list", "properties", "delete", "delete_all", "expire")


# --- Both colours ---------------------------------------------------------------------------------------------------


def test_both_colours_have_the_same_verbs_with_the_same_arguments():
    for verb in (*VERBS, "iterate", "close"):
        assert inspect.signature(getattr(Timeseries, verb)) == inspect.signature(getattr(AsyncTimeseries, verb))
        assert getattr(Timeseries, verb).__doc__


def test_the_verbs(colour):
    series = colour(type="count")
    assert series.insert("a", timestamp=0) == Written(points=1, cells=2, expired=0)
    assert series.insert("a", 4, 60) == Written(1, 2, 0)
    assert series.bulk_insert({60: {"a": [1, 2], "b": 1}}) == Written(3, 4, 0)
    assert series.bulk_insert([("b", 1, 0)], intervals=-1) == Written(1, 4, 0)
    assert series.get("a", "minute", 60) == {60: 7}
    assert series.series("a", "minute", 0, 120) == {0: 1, 60: 7, 120: 0}
    assert list(series.iterate("a", "hour")) == [(0, 1), (60, 7)]
    assert series.list() == ["a", "b"]
    assert series.properties("b")["minute"] == {"first": -60, "last": 60}
    assert series.properties("nobody") == {}
    assert series.delete("b", interval="minute", end=-1) == 1
    assert series.delete("a") == 4
    assert series.expire() == 0
    assert series.delete_all() is None
    assert series.list() == []


def test_what_a_verb_of_asynctimeseries_returns_is_to_be_awaited():
    async def main():
        async with AsyncTimeseries("memory://", intervals=INTERVALS) as series:
            found = series.get("a", "minute", 0)
            assert inspect.isawaitable(found)
            assert await found == {0: []}
            items = series.iterate("a", "minute")
            assert inspect.isasyncgen(items)
            assert [item async for item in items] == []
        with pytest.raises(BackendError, match="is closed"):
            await series.list()

    asyncio.run(main())


def test_a_verb_of_asynctimeseries_checks_its_arguments_when_it_is_awaited():
    async def main():
        series = AsyncTimeseries("memory://", intervals=INTERVALS)
        for verb in (series.get("a", "nope"), series.series("a", "nope"), series.delete("a", interval="nope")):
            with pytest.raises(UnknownInterval):
                await verb
        for error in await asyncio.gather(series.get("", "minute"), series.insert("", 1), return_exceptions=True):
            assert isinstance(error, InvalidValue)

    asyncio.run(main())


def test_a_big_batch_does_not_hold_the_loop():
    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        series = AsyncTimeseries("memory://", type="count", intervals={"minute": {"step": 60}})
        task = asyncio.create_task(other())
        written = await series.bulk_insert([("a", 1, n) for n in range(30_000)])
        task.cancel()
        assert written.cells == 500
        return turns

    assert asyncio.run(main()) > 10


def test_a_long_iteration_does_not_hold_the_loop():
    async def main():
        turns = 0

        async def other():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        series = AsyncTimeseries("memory://", type="count", intervals={"minute": {"step": 60}})
        await series.bulk_insert([("a", 1, 60 * n) for n in range(9_000)])
        task = asyncio.create_task(other())
        assert len([item async for item in series.iterate("a", "minute")]) == 9_000
        task.cancel()
        return turns

    assert asyncio.run(main()) > 8


def test_the_repr_names_type_intervals_and_backend(colour):
    assert repr(colour("memory://secret", type="set")).endswith(
        "Timeseries type=set intervals=minute, hour backend=MemoryBackend>"
    )


# --- Arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["series", "histogram", "gauge", "set"])
def test_a_value_is_required(colour, kind):
    with pytest.raises(InvalidValue, match=f"{kind} 'a': a value is required"):
        colour(type=kind).insert("a")


@pytest.mark.parametrize("verb", [*VERBS, "iterate"])
def test_an_unknown_keyword_is_a_type_error_that_names_it(colour, verb):
    series = colour()
    arguments = {
        "insert": ("a", 1),
        "bulk_insert": ({},),
        "list": (),
        "delete_all": (),
        "expire": (),
        "properties": ("a",),
        "delete": ("a",),
    }.get(verb, ("a", "minute"))
    with pytest.raises(TypeError, match=rf"{verb}\(\) got an unexpected keyword argument 'pipelin'"):
        list(getattr(series, verb)(*arguments, pipelin=1) or ())


def test_the_keywords_of_a_backend_are_structured(colour, owning):
    options = owning.options["insert"]
    series = colour("owning://")
    series.insert("a", 1, pipeline=5)
    series.bulk_insert({0: {"a": [1]}}, strict=True)
    series.get("a", "minute")
    series.list(pipeline=2)
    series.delete("a", pipeline=7)
    assert [entry for entry in series.backend.log if entry[0] != "prepare"] == [
        ("write", options(pipeline=5)),
        ("write", options(strict=True)),
        ("read", options()),
        ("names", options(pipeline=2)),
        ("delete", options(pipeline=7)),
    ]
    with pytest.raises(ValueError, match=r"^insert\.pipeline: expected int, not 'x'"):
        series.insert("a", 1, pipeline="x")
    with pytest.raises(TypeError, match=r"insert\(\) got an unexpected keyword argument 'pipelin'"):
        series.insert("a", 1, pipelin=1, strict=True)


def test_condensed_is_deprecated_and_works(colour):
    series = colour()
    series.insert("a", [1, 2], timestamp=60)
    with pytest.warns(DeprecationWarning, match="use condense="):
        assert series.get("a", "hour", 0, condensed=True) == {0: [1, 2]}
    with pytest.warns(DeprecationWarning, match="use condense="):
        assert series.series("a", "hour", 0, condensed=False) == {0: {60: [1, 2]}}
    with pytest.warns(DeprecationWarning, match="use condense="):
        assert list(series.iterate("a", "hour", condensed=True)) == [(0, [1, 2])]


def test_the_warning_points_at_the_caller():
    series = Timeseries("memory://", intervals=INTERVALS)
    for verb in (series.get, series.series, series.iterate):
        with pytest.warns(DeprecationWarning, match="use condense=") as caught:
            verb("a", "hour", condensed=True)
        assert caught[0].filename == __file__


def test_the_clock_is_read_once_per_verb():
    reads = []

    def clock():
        reads.append(1)
        return 600 + len(reads)

    series = Timeseries("memory://", intervals={"m": {"step": 60, "steps": 2}, "n": {"step": 1}}, clock=clock)
    for verb in (
        lambda: series.insert("a", [1, 2, 3]),
        lambda: series.bulk_insert([("a", n, None) for n in range(9)]),
        lambda: series.get(["a", "b"], "m"),
        lambda: series.series("a", "m"),
        lambda: list(series.iterate("a", "n")),
        series.list,
        lambda: series.properties("a"),
        lambda: series.expire(limit=5),
        lambda: series.delete("a"),
    ):
        reads.clear()
        verb()
        assert len(reads) == 1
