"""The benchmarks work, and notice it where a contestant cheats."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harness import Case, Comparison, Lap, WrongAnswer, compare, stopwatch
from benchmarks.run import QUICK

ROOT = Path(__file__).parents[2]


USUAL = ["sqlite", "redis", "memory"]
"""One of each sort: a file, a server, and what is counted in bytes. Together they have every verb."""


def quick(*sections: str) -> str:
    """What these sections print; each compares the answers of all verbs."""
    command = [sys.executable, "-m", "benchmarks.run", "--quick", *sections]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for section in sections:
        assert f"\n## {section}\n" in done.stdout
    assert str(ROOT) not in done.stdout
    return done.stdout


def test_a_section_runs_and_every_verb_gives_the_same_answers() -> None:
    printed = quick(*USUAL)
    for verb in (
        "bulk_insert",
        "insert",
        "series",
        "iterate",
        "get",
        "list",
        "properties",
        "delete",
        "expire",
        "delete_all",
    ):
        assert f"\n| {verb}, " in printed
    assert "| bulk_insert of 5,000 points, set" in printed
    if sys.platform == "linux":
        assert "| iterate over 5,000 buckets, sqlite" in printed


@pytest.mark.full
def test_every_other_section_runs_too() -> None:
    printed = quick(*(name for name in QUICK if name not in USUAL))
    assert "\n| bulk_insert, " in printed
    assert "| import kairos" in printed


class Number:
    """A store of one number."""

    def __init__(self, step: int = 1) -> None:
        self.value, self.step, self.open = 0, step, True

    def grow(self) -> None:
        self.value += self.step

    def close(self) -> None:
        self.open = False


def growing(**keywords: Any) -> Case[Number]:
    return Case(what="grow", load=Number.grow, call=Number.grow, **keywords)


def test_a_store_that_is_written_is_new_in_each_round_and_closed_after_it() -> None:
    made: list[Number] = []

    def make() -> Number:
        made.append(Number())
        return made[-1]

    found = compare(growing(after=lambda store: store.value), {"one": make, "other": make}, rounds=3)
    assert [store.value for store in made] == [2] * 6
    assert not any(store.open for store in made)
    assert {who: len(laps) for who, laps in found.laps.items()} == {"one": 3, "other": 3}


def test_another_state_afterwards_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match="grow: other gives another answer than one"):
        compare(growing(after=lambda store: store.value), {"one": Number, "other": lambda: Number(step=2)}, rounds=1)


def test_another_answer_is_a_wrong_answer() -> None:
    case: Case[Number] = Case(what="read", load=Number.grow, call=lambda store: store.value)
    with pytest.raises(WrongAnswer, match="read"):
        compare(case, {"one": Number, "other": lambda: Number(step=2)}, rounds=1)


def test_speed_is_that_of_the_same_round() -> None:
    laps = {"hand": [Lap(1, 1), Lap(10, 1)], "kairos": [Lap(2, 4), Lap(20, 4)]}
    found = Comparison(case=growing(), laps=laps)
    assert found.speed("kairos", lambda lap: lap.wall) == 0.5
    assert found.speed("kairos", lambda lap: lap.cpu) == 0.25
    assert found.milliseconds("kairos") == 11_000


def test_the_stopwatch_gives_the_answer_and_leaves_the_collector_as_it_was() -> None:
    import gc

    before = gc.get_freeze_count()
    lap, answer = stopwatch(lambda: sum(range(100_000)))
    assert answer == 4_999_950_000
    assert lap.wall > 0
    assert gc.get_freeze_count() == before
