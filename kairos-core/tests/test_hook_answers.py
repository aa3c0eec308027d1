"""What the callables of hooks give: the same in both colours, and an error that names the form where it is wrong."""

import asyncio

import pytest

from kairos import AsyncTimeseries, InvalidValue, Timeseries, hookimpl

MIN, HOUR = 60, 3600
INTERVALS = {"minute": {"step": MIN}, "hour": {"step": HOUR, "resolution": MIN}}
POINTS = [("a", 1, 0), ("a", 2, MIN), ("b", 3, 0)]


class Everything:
    """All six hooks; what each of them does can be seen in the result."""

    @hookimpl
    def fetch(self, context):
        return lambda query: {name: {0: {0: [len(name)], 1: [5]}} for name in query.names}

    @hookimpl
    def process_row(self, context):
        return lambda data: ("row", *data)

    @hookimpl
    def condense(self, context):
        return lambda parts: ("condensed", parts)

    @hookimpl
    def join_rows(self, context):
        return lambda rows: ("joined", rows)

    @hookimpl
    def collapse(self, context):
        return lambda buckets: ("collapsed", buckets)

    @hookimpl
    def transform(self, context):
        return lambda data, seconds: (context.name, data, seconds)


class Around:
    """Wrappers around all six, which note the order in which the stages are done."""

    def __init__(self):
        self.done = []

    def note(self, stage, chosen):
        def noted(*arguments):
            self.done.append(stage)
            return chosen(*arguments)

        return noted

    @hookimpl(wrapper=True)
    def fetch(self):
        return self.note("fetch", (yield))

    @hookimpl(wrapper=True)
    def process_row(self):
        return self.note("process_row", (yield))

    @hookimpl(wrapper=True)
    def condense(self):
        return self.note("condense", (yield))

    @hookimpl(wrapper=True)
    def join_rows(self):
        return self.note("join_rows", (yield))

    @hookimpl(wrapper=True)
    def collapse(self):
        return self.note("collapse", (yield))

    @hookimpl(wrapper=True)
    def transform(self):
        noted = self.note("transform", (yield))

        def transform(data, seconds):
            return noted(data, seconds)

        return transform


def read(colour, plugins, names=("a", "b"), kind="series", **keywords):
    """A series in one colour, with all stages unless ``keywords`` say otherwise."""
    keywords = {"condense": True, "collapse": True, "transform": "mine"} | keywords
    made = {"type": kind, "intervals": INTERVALS, "plugins": plugins}
    where = keywords.pop("interval", "hour")
    if colour == "blocking":
        with Timeseries("memory://", **made) as series:
            series.bulk_insert(POINTS)
            return series.series(list(names), where, 0, 0, **keywords)

    async def awaited():
        async with AsyncTimeseries("memory://", **made) as series:
            await series.bulk_insert(POINTS)
            return await series.series(list(names), where, 0, 0, **keywords)

    return asyncio.run(awaited())


colours = pytest.mark.parametrize("colour", ["blocking", "async"])


@colours
def test_all_six_hooks_take_part_in_both_colours(colour):
    around = Around()
    condensed = ("condensed", {0: ("row", 1), MIN: ("row", 5)})
    joined = ("joined", [condensed, condensed])
    assert read(colour, [Everything(), around]) == {0: ("mine", ("collapsed", {0: joined}), HOUR)}
    assert around.done == [
        "fetch",
        *["process_row", "process_row", "condense"] * 2,
        "join_rows",
        "collapse",
        "transform",
    ]


class Giving:
    """A fetch of a plugin that gives one thing, whatever is asked for."""

    def __init__(self, given):
        self.given = given

    @hookimpl
    def fetch(self, context):
        return lambda query: self.given


PLAIN = {"condense": False, "collapse": False, "transform": None}


@colours
@pytest.mark.parametrize(
    ("given", "why"),
    [
        (None, "expected {name: {bucket: {resolution bucket or None: data}}}, not None"),
        ([("a", 1)], r"expected {name: .*}, not \[\('a', 1\)\]"),
        ({0: {None: [1]}}, "gave data of 0, which is none of the names that were asked for"),
        ({"c": {0: {None: [1]}}}, "gave data of 'c', which is none of the names that were asked for"),
        ({"a": [1]}, r"expected {bucket: {resolution bucket or None: data}} of 'a', not \[1\]"),
        ({"a": {"0": {None: [1]}}}, "expected an int as a bucket of 'a', not '0'"),
        ({"a": {0: [1]}}, r"expected {resolution bucket or None: data}, not \[1\]"),
    ],
    ids=["nothing", "list", "no-name", "other-name", "no-bucket", "text-bucket", "no-resolution"],
)
def test_a_fetch_whose_rows_have_another_form_is_told_which(colour, given, why):
    with pytest.raises(InvalidValue, match=f"^fetch: {why}"):
        read(colour, [Giving(given)], interval="minute", **PLAIN)


@colours
@pytest.mark.parametrize(("kind", "data"), [("series", 5), ("histogram", [1, 2]), ("set", 7)])
def test_a_fetch_that_gives_data_of_another_kind_is_told_what_to_do(colour, kind, data):
    with pytest.raises(InvalidValue, match=f"^fetch: .* is no data of a {kind}; .* process_row"):
        read(colour, [Giving({"a": {0: {None: data}}})], kind=kind, interval="minute", **PLAIN)
