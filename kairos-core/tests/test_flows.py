"""Flows, one generator for both colours: values go back, awaitables are awaited, errors are raised at the yield."""

import asyncio

import pytest

from kairos.flows import arun, run


class StoreError(Exception):
    pass


async def later(value):
    await asyncio.sleep(0)
    return value


async def failing():
    await asyncio.sleep(0)
    raise StoreError("late")


def adding(*steps):
    total = 0
    for step in steps:
        total += yield step
    return total


# --- Both colours ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", [run, lambda flow: asyncio.run(arun(flow))], ids=["run", "arun"])
def test_values_go_straight_back(runner):
    assert runner(adding(1, 2, 3)) == 6
    assert runner(adding()) == 0
    seen = []

    def flow():
        for value in (0, "", None, [1], False):
            seen.append((yield value))

    assert runner(flow()) is None
    assert seen == [0, "", None, [1], False]


@pytest.mark.parametrize("runner", [run, lambda flow: asyncio.run(arun(flow))], ids=["run", "arun"])
@pytest.mark.parametrize("value", [0, None, "text", [1, 2], {"a": 1}, iter([])])
def test_what_is_no_flow_is_a_value(runner, value):
    assert runner(value) is value


@pytest.mark.parametrize("runner", [run, lambda flow: asyncio.run(arun(flow))], ids=["run", "arun"])
def test_what_a_flow_raises_comes_out(runner):
    def flow():
        yield 1
        raise StoreError("mine")

    with pytest.raises(StoreError, match="mine"):
        runner(flow())


@pytest.mark.parametrize("runner", [run, lambda flow: asyncio.run(arun(flow))], ids=["run", "arun"])
def test_a_flow_may_be_made_of_flows(runner):
    def flow():
        first = yield from adding(1, 2)
        return first * (yield 10)

    assert runner(flow()) == 30


def test_blocking_gives_awaitables_back_as_they_are():
    coroutine = later(1)

    def flow():
        return (yield coroutine)

    assert run(flow()) is coroutine
    coroutine.close()


# --- Asynchronous ---------------------------------------------------------------------------------------------------


def test_awaitables_are_awaited():
    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, 4)
        return await arun(adding(1, later(2), asyncio.create_task(later(3)), future))

    assert asyncio.run(main()) == 10


def test_an_awaitable_that_is_no_flow_is_awaited():
    assert asyncio.run(arun(later(5))) == 5


def test_an_error_is_raised_at_the_yield():
    seen = []

    def flow():
        try:
            yield failing()
        except StoreError as error:
            seen.append(str(error))
        return (yield later("after"))

    assert asyncio.run(arun(flow())) == "after"
    assert seen == ["late"]


def test_an_error_that_the_flow_does_not_catch_comes_out_and_it_cleans_up():
    seen = []

    def flow():
        try:
            yield failing()
        finally:
            seen.append((yield later("cleaned up")))

    with pytest.raises(StoreError, match="late"):
        asyncio.run(arun(flow()))
    assert seen == ["cleaned up"]


def test_a_flow_may_retry():
    attempts = []

    def flow():
        while True:
            attempts.append(1)
            try:
                return (yield failing() if len(attempts) < 3 else later("done"))
            except StoreError:
                pass

    assert asyncio.run(arun(flow())) == "done"
    assert len(attempts) == 3


def test_a_cancellation_is_raised_inside_the_flow():
    seen = []

    def flow():
        try:
            yield asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            seen.append((yield later("cleaned up")))
            raise

    async def main():
        task = asyncio.create_task(arun(flow()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return task.cancelled()

    assert asyncio.run(main()) is True
    assert seen == ["cancelled", "cleaned up"]


def test_a_timeout_reaches_the_flow():
    seen = []

    def flow():
        try:
            yield asyncio.sleep(60)
        finally:
            seen.append("closed")

    async def main():
        async with asyncio.timeout(0.01):
            await arun(flow())

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert seen == ["closed"]


def test_a_coroutine_that_nobody_awaits_any_more_closes_its_flow():
    seen = []

    def flow(*more):
        try:
            yield asyncio.sleep(60)
        finally:
            seen.append("closed")
            yield from more

    async def main():
        for steps in ((), (later(1),)):
            coroutine = arun(flow(*steps))
            coroutine.send(None)
            coroutine.close()
            for step in steps:
                step.close()

    asyncio.run(main())
    assert seen == ["closed", "closed"]


def test_a_bare_yield_lets_others_run():
    turns = []

    def flow():
        for _ in range(3):
            yield
            turns.append("flow")

    async def other():
        for _ in range(3):
            turns.append("other")
            await asyncio.sleep(0)

    async def main():
        await asyncio.gather(arun(flow()), other())

    asyncio.run(main())
    assert turns.index("other") < turns.index("flow") < len(turns) - 1 - turns[::-1].index("other")
