"""The six hooks: asked once per query, with authority keyword > plugin > built-in, and wrapped in both colours."""

import asyncio

import pytest
from attrs.exceptions import FrozenInstanceError

from kairos import AsyncTimeseries, HookContext, PluginError, Timeseries, hookimpl
from kairos.plans import Query
from kairos.plugins import STAGES

MIN, HOUR = 60, 3600
INTERVALS = {"minute": {"step": MIN}, "hour": {"step": HOUR, "resolution": MIN}}
stages = pytest.mark.parametrize("stage", STAGES)


def make(*plugins, **keywords):
    series = Timeseries("memory://", intervals=INTERVALS, plugins=plugins, **keywords)
    series.insert("a", 1, timestamp=0)
    series.insert("b", 2, timestamp=MIN)
    return series


def plugin(answer, names=STAGES, **options):
    """A plugin with the named hooks; ``answer`` gets the name of the hook and its context."""
    functions = {
        name: hookimpl(lambda self, context, name=name: answer(name, context), **options)
        for name in ([names] if isinstance(names, str) else names)
    }
    return type("Made", (), functions)()


def wrapper(around, names=STAGES):
    """A plugin that puts something around what was chosen."""

    def hook(name):
        def wrapped(self, context):
            chosen = yield
            return around(name, chosen, context)

        return hookimpl(wrapped, wrapper=True)

    return type("Made", (), {name: hook(name) for name in ([names] if isinstance(names, str) else names)})()


def everything(series, **keywords):
    """A read in which every stage takes part."""
    return series.series(["a", "b"], "hour", 0, **{"condense": True, "collapse": True, "transform": "mean"} | keywords)


# --- When it is asked -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "read_func"), [("series", None), ("gauge", None), ("gauge", str)])
def test_each_hook_is_asked_once_per_query(kind, read_func):
    asked = []
    series = make(plugin(lambda name, context: asked.append(name)), type=kind, read_func=read_func)
    series.bulk_insert([(name, n, n * MIN) for n in range(500) for name in "ab"])
    series.series(["a", "b"], "hour", 0, 9 * HOUR, condense=True, collapse=True, transform="count")
    assert sorted(asked) == sorted(STAGES)
    asked.clear()
    list(series.iterate(["a", "b"], "hour", condense=True, transform={"x": "sum", "y": "count", "z": str}))
    assert sorted(asked) == sorted(["condense", "fetch", "join_rows", "process_row", "transform", "transform"])


def test_a_hook_is_asked_only_for_a_stage_that_takes_part():
    asked = []
    series = make(plugin(lambda name, context: asked.append(name)))
    for keywords, more in (
        ({"name": "a", "interval": "minute"}, []),
        ({"name": ["a"], "interval": "minute"}, ["join_rows"]),
        ({"name": "a", "interval": "hour"}, []),
        ({"name": "a", "interval": "hour", "condense": True}, ["condense"]),
        ({"name": "a", "interval": "minute", "condense": True}, []),
        ({"name": "a", "interval": "minute", "transform": ["mean", "sum"]}, ["transform", "transform"]),
        ({"name": "a", "interval": "minute", "transform": []}, []),
    ):
        asked.clear()
        series.get(**keywords, timestamp=0)
        assert sorted(asked) == sorted(["fetch", "process_row", *more]), keywords


def test_writing_asks_no_hook():
    asked = []
    series = make(plugin(lambda name, context: asked.append(name)))
    series.insert("a", 1)
    series.bulk_insert({0: {"a": [1]}})
    series.list(), series.properties("a"), series.delete("a"), series.expire()
    assert asked == []


def test_what_the_context_tells():
    seen = {}
    series = make(plugin(lambda name, context: seen.update({name: context})))
    everything(series, transform="mean")
    assert set(seen) == set(STAGES)
    context = seen["fetch"]
    assert isinstance(context, HookContext)
    assert (context.kind, context.scheme) == ("series", "memory")
    assert (context.asynchronous, context.by_keyword) == (False, False)
    assert isinstance(context.query, Query)
    assert context.query.names == ("a", "b")
    assert (context.query.interval.name, context.query.first, context.query.last) == ("hour", 0, 0)
    assert context.query.single is False
    for name in STAGES:
        assert callable(seen[name].default), name
        assert seen[name].name == ("mean" if name == "transform" else None)
    assert seen["transform"].default([1, 3]) == 2
    with pytest.raises(FrozenInstanceError):
        context.kind = "count"


def test_a_wrapper_sees_what_a_keyword_says():
    seen = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def transform(self, context):
            seen.append((context.name, context.default, context.by_keyword))
            return (yield)

    assert make(Wrapper()).get("a", "minute", 0, transform=[len, "max"]) == {0: {len: 1, "max": 1}}
    assert seen[0] == (None, len, True)
    assert (seen[1][0], seen[1][2]) == ("max", False)


def test_the_context_tells_what_the_call_asks_for_not_what_is_visible():
    seen = []
    series = Timeseries(
        "memory://",
        intervals={"m": {"step": 60, "steps": 2}},
        clock=lambda: 600,
        plugins=[plugin(lambda name, context: seen.append(context.query), "fetch")],
    )
    series.series("a", "m", 0, 600)
    assert (seen[0].first, seen[0].last) == (0, 10)


def test_get_is_single_and_an_unknown_transform_has_no_default():
    seen = []

    def answer(name, context):
        seen.append(context)
        return len if context.name else None

    make(plugin(answer)).get("a", "minute", 0, transform="p95")
    assert all(context.query.single for context in seen)
    assert [context.default for context in seen if context.name == "p95"] == [None]


def test_the_context_tells_the_colour():
    seen = []

    async def read():
        series = AsyncTimeseries("memory://", intervals=INTERVALS, plugins=[plugin(lambda _, c: seen.append(c))])
        return await series.get("a", "minute", 0)

    assert asyncio.run(read()) == {0: []}
    assert {context.asynchronous for context in seen} == {True}


# --- Whose callable is used -----------------------------------------------------------------------------------------


def tagged(tag, stage, fetch_tag="f"):
    """A callable for a stage that leaves its tag, as a plugin gives it."""
    if stage == "fetch":
        return lambda query: {name: {0: {0: [tag]}} for name in query.names}
    return lambda *data: [tag]


@stages
@pytest.mark.parametrize("options", [{}, {"tryfirst": True}, {"trylast": True}])
def test_a_plugin_goes_before_what_is_built_in(stage, options):
    series = make(plugin(lambda name, context: tagged("plugin", name), stage, **options))
    keywords = {"condense": True, "collapse": True, "transform": "mean" if stage == "transform" else None}
    found = series.series(["a"], "hour", 0, **keywords)
    assert found == {0: ["plugin"]}


@stages
@pytest.mark.parametrize("options", [{}, {"tryfirst": True}])
def test_a_keyword_goes_before_every_plugin(stage, options):
    calls = []

    def answer(name, context):
        calls.append(name)
        return tagged("plugin", name)

    series = make(plugin(answer, stage, **options))
    keyword = (lambda *where: {0: {0: ["keyword"]}}) if stage == "fetch" else tagged("keyword", stage)
    keywords = {"condense": True, "collapse": True} | {stage: keyword}
    assert series.series(["a"], "hour", 0, **keywords) == {0: ["keyword"]}
    assert calls == []


def test_a_condense_by_keyword_is_the_collapse_too_before_a_plugin():
    series = make(plugin(lambda name, context: tagged("plugin", name), "collapse"))
    assert series.series("a", "hour", 0, collapse=True, condense=tagged("keyword", "condense")) == {0: ["keyword"]}
    assert series.series("a", "hour", 0, collapse=True) == {0: ["plugin"]}


def test_a_condense_of_a_plugin_is_the_collapse_too():
    series = make(plugin(lambda name, context: lambda rows: ["plugin", len(rows)], "condense"))
    assert series.series("a", "hour", 0, collapse=True) == {0: ["plugin", 1]}


def test_none_is_not_mine_and_the_next_is_asked():
    first, second = (
        plugin(lambda name, context: None, "process_row", tryfirst=True),
        plugin(lambda name, context: tagged("second", name), "process_row"),
    )
    for plugins in ((first, second), (second, first)):
        assert make(*plugins).get("a", "minute", 0) == {0: ["second"]}


def test_the_later_of_two_plugins_is_asked_first():
    one, two = (plugin(lambda name, context, tag=tag: tagged(tag, name), "process_row") for tag in ("one", "two"))
    assert make(one, two).get("a", "minute", 0) == {0: ["two"]}
    assert make(two, one).get("a", "minute", 0) == {0: ["one"]}


def test_a_plugin_adds_a_named_transform():
    def answer(name, context):
        return (lambda data: sorted(data)[int(len(data) * 0.95)]) if context.name == "p95" else None

    series = make(plugin(answer, "transform"))
    series.insert("c", list(range(100)), timestamp=0)
    assert series.get("c", "minute", 0, transform=["p95", "max"]) == {0: {"p95": 95, "max": 99}}
    with pytest.raises(ValueError, match="unknown name 'p96'"):
        series.get("c", "minute", 0, transform="p96")


def test_a_plugin_may_replace_a_named_transform_and_ask_for_the_seconds():
    series = make(plugin(lambda name, context: lambda data, seconds: (data, seconds), "transform"))
    assert series.get("a", "minute", 0, transform="mean") == {0: ([1], MIN)}
    assert series.get("a", "minute", 0, transform=len) == {0: 1}


def test_process_row_of_a_plugin_replaces_read_func():
    hook = plugin(lambda name, context: lambda data: data, "process_row")
    series = make(hook, type="gauge", read_func=str)
    assert series.get("a", "minute", 0) == {0: 1}
    assert series.get("a", "minute", HOUR) == {HOUR: None}
    assert make(type="gauge", read_func=str).get("a", "minute", HOUR) == {HOUR: ""}
    not_mine = plugin(lambda name, context: None, "process_row")
    assert make(not_mine, type="gauge", read_func=str).get("a", "minute", HOUR) == {HOUR: ""}


# --- Wrappers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["built-in", "plugin", "keyword"])
def test_a_wrapper_sees_the_chosen_callable_of_every_stage(by):
    seen = {}

    def around(name, chosen, context):
        seen[name] = chosen
        return chosen

    chosen = {name: tagged("mine", name) for name in STAGES}
    series = make(wrapper(around), *([plugin(lambda name, context: chosen[name])] if by == "plugin" else []))
    if by == "keyword":
        keywords = chosen | {"fetch": lambda *where: {0: {0: ["mine"]}}}
        assert everything(series, **keywords) == {0: ["mine"]}
        chosen.pop("fetch")  # what a keyword says is adapted
        assert {name: seen[name] for name in chosen} == chosen
    elif by == "plugin":
        assert everything(series) == {0: ["mine"]}
        assert seen == chosen
    else:
        assert everything(series, transform="sum") == {0: 3}
    assert all(map(callable, seen.values()))
    assert set(seen) == set(STAGES)


def timing(log):
    """A wrapper of fetch that works in both colours, for any backend and any keyword."""

    def around(name, chosen, context):
        def fetch(query):
            log.append(("asked", query.names, query.first, query.last))
            rows = chosen(query)
            if not context.asynchronous:
                log.append(("got", rows))
                return rows

            async def got():
                found = await rows
                log.append(("got", found))
                return found

            return got()

        return fetch

    return wrapper(around, "fetch")


@pytest.mark.parametrize("fetch", [None, lambda cells, *where: cells], ids=["built-in", "keyword"])
def test_one_fetch_wrapper_serves_both_colours(fetch):
    log = []
    expected = [("asked", ("a", "b"), 0, 0), ("got", {"a": {0: {None: [1]}}, "b": {}})]
    assert make(timing(log)).get(["a", "b"], "minute", 0, fetch=fetch) == {0: [1]}
    assert log == expected
    log.clear()

    async def read():
        series = AsyncTimeseries("memory://", intervals=INTERVALS, plugins=[timing(log)])
        await series.insert("a", 1, timestamp=0)
        return await series.get(["a", "b"], "minute", 0, fetch=fetch)

    assert asyncio.run(read()) == {0: [1]}
    assert log == expected


def test_fetch_is_called_once_per_window_and_clipped():
    log = []
    series = Timeseries(
        "memory://",
        intervals={"m": {"step": 60}, "s": {"step": 60, "steps": 3}},
        plugins=[timing(log)],
        clock=lambda: 600,
    )
    series.insert("a", 1, timestamp=600)
    series.insert("a", 1, timestamp=600 + 60 * 25_000)
    assert sum(1 for _ in series.iterate("a", "m")) == 25_001
    assert [entry[2:] for entry in log if entry[0] == "asked"] == [(10, 10_009), (10_010, 20_009), (25_010, 25_010)]
    log.clear()
    series.series("a", "s", 0, 660)
    assert [entry[2:] for entry in log if entry[0] == "asked"] == [(8, 11)]
    log.clear()
    assert series.series("a", "s", 0, 60) == {0: [], 60: []}
    assert log == []


def test_adapt_makes_a_fetch_of_the_hooks_form_out_of_the_backends():
    def answer(name, context):
        return context.adapt(lambda cells, name, interval, start, end: {0: {None: [name, interval, start, end]}})

    series = make(plugin(answer, "fetch"))
    assert series.get("a", "minute", 0) == {0: ["a", "minute", 0, None]}
    assert series.series(["a", "b"], "minute", 0, 59) == {0: ["a", "minute", 0, 0, "b", "minute", 0, 0]}


def test_a_fetch_of_a_plugin_may_be_asynchronous():
    def answer(name, context):
        async def fetch(query):
            await asyncio.sleep(0)
            return {name: {0: {None: ["plugin"]}} for name in query.names}

        return fetch

    async def read():
        series = AsyncTimeseries("memory://", intervals=INTERVALS, plugins=[plugin(answer, "fetch")])
        return await series.get("a", "minute", 0)

    assert asyncio.run(read()) == {0: ["plugin"]}


# --- What goes wrong ------------------------------------------------------------------------------------------------


@stages
def test_what_a_hook_raises_passes_through(stage):
    class MineError(Exception):
        pass

    def answer(name, context):
        raise MineError

    with pytest.raises(MineError):
        everything(make(plugin(answer, stage)))


@stages
def test_what_a_callable_of_a_plugin_raises_passes_through(stage):
    def answer(name, context):
        return lambda *data: 1 // 0

    with pytest.raises(ZeroDivisionError):
        everything(make(plugin(answer, stage)))


@stages
@pytest.mark.parametrize("answer", [5, "mean", [len], True])
def test_a_hook_that_gives_no_callable_is_named(stage, answer):
    with pytest.raises(PluginError, match=rf"the hook {stage} gave .* not callable"):
        everything(make(plugin(lambda name, context: answer, stage)))


@stages
def test_a_wrapper_that_forgets_what_it_got_is_named(stage):
    with pytest.raises(PluginError, match=rf"the hook {stage} gave None"):
        everything(make(wrapper(lambda *_: None, stage)))
