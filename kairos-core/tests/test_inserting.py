"""What an insert sends: one batch, or nothing at all if anything of it is wrong."""

import pytest

from kairos import InvalidValue, Timeseries
from kairos.memory import MemoryBackend
from kairos.registry import register

MINUTE = {"minute": {"step": 60}}


class Recording(MemoryBackend):
    """Keeps what was asked of it."""

    asked: list

    def write(self, batch):
        self.asked.append(batch)
        super().write(batch)


@pytest.fixture
def recording():
    Recording.asked = []
    with register(Recording, schemes=["recording"]):
        yield Recording.asked


@pytest.mark.parametrize("bad", [("", 1, 0), ("a", None, 0), ("a", 1, float("nan")), ("a", 1, "now"), ("a",), None])
def test_nothing_is_sent_if_any_point_is_bad(recording, bad):
    series = Timeseries("recording://", intervals=MINUTE)
    with pytest.raises(InvalidValue):
        series.bulk_insert([("a", 1, 0), ("b", 2, 0), bad])
    assert recording == []
    assert series.list() == []


def test_a_batch_is_sent_as_one_and_not_at_all_if_it_is_empty(recording):
    series = Timeseries("recording://", intervals=MINUTE)
    series.bulk_insert({0: {"a": [1], "b": [2]}, 60: {"a": [3]}})
    assert [len(batch.cells) for batch in recording] == [3]
    series.bulk_insert({})
    series.insert("a", [])
    assert len(recording) == 1


@pytest.mark.parametrize("intervals", [1.0, "1", None, True, [1]])
def test_further_intervals_are_a_number(intervals):
    series = Timeseries("memory://", intervals=MINUTE)
    for verb in (lambda: series.insert("a", 1, 0, intervals), lambda: series.bulk_insert({}, intervals=intervals)):
        with pytest.raises(InvalidValue, match=r"^intervals: expected an int, not"):
            verb()


@pytest.mark.parametrize("intervals", [4, -4, 10**12])
def test_there_are_at_most_max_buckets_further_intervals(intervals):
    series = Timeseries("memory://", intervals=MINUTE, max_buckets=3)
    assert series.insert("a", 1, 0, intervals=3).cells == 4
    with pytest.raises(InvalidValue, match=f"intervals: {intervals} are more than max_buckets=3"):
        series.insert("a", 1, 0, intervals=intervals)


def test_nothing_is_sent_if_write_func_fails(recording):
    def write_func(value):
        return 1 // value

    series = Timeseries("recording://", intervals=MINUTE, write_func=write_func)
    with pytest.raises(ZeroDivisionError):
        series.bulk_insert({0: {"a": [1, 2, 0]}})
    assert recording == []


def test_nothing_is_sent_if_all_of_it_is_past(recording):
    series = Timeseries("recording://", intervals={"minute": {"step": 60, "steps": 1}})
    assert series.insert("a", [1, 2], timestamp=0).expired == 1
    assert recording == []
