"""A public name or signature changes only if the changelog says so.

tests/api/ lists what the last release had (`make api` writes it); what differs now must be named in a news fragment.
"""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("public_api", ROOT / "tests" / "public_api.py")
public_api = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(public_api)
FOLDERS = {"kairos-conformance": "tests-conformance"}


def unnamed(released: set[str], now: set[str], news: str) -> set[str]:
    """The lines that differ and whose last name the news do not mention."""
    path = re.compile(r"^(?:class )?([\w.]+)")
    return {line for line in released ^ now if path.match(line)[1].rpartition(".")[2] not in re.findall(r"\w+", news)}


@pytest.mark.parametrize("distribution", public_api.PUBLIC)
def test_what_changed_is_in_the_changelog(distribution: str) -> None:
    released = set((public_api.FOLDER / f"{distribution}.txt").read_text().splitlines())
    fragments = sorted((ROOT / FOLDERS.get(distribution, distribution) / "changes").glob("*.md"))
    news = "\n".join(file.read_text() for file in fragments)
    assert unnamed(released, set(public_api.listing(distribution)), news) == set(), "say it in a fragment in changes/"


def test_every_distribution_is_listed() -> None:
    listed = {file.stem for file in public_api.FOLDER.glob("*.txt")}
    projects = {file.parent.name for file in ROOT.glob("*/pyproject.toml")}
    assert listed == set(public_api.PUBLIC)
    assert {FOLDERS.get(name, name) for name in listed} == projects


def test_a_change_that_nobody_tells_is_found() -> None:
    before, after = {"kairos.run(flow)", "kairos.same(x)"}, {"kairos.run(flow, more)", "kairos.same(x)"}
    assert unnamed(before, after, "`running` is faster") == {"kairos.run(flow)", "kairos.run(flow, more)"}
    assert unnamed(before, after, "`run` takes more") == set()
    assert unnamed(before, set(), "`run` is gone") == {"kairos.same(x)"}
    assert unnamed(set(), {"class kairos.New(Old)"}, "") == {"class kairos.New(Old)"}
