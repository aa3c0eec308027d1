"""docs/conformance.md names the tests of the suite as they are."""

import inspect
import re
from pathlib import Path

import pytest
from attrs import fields_dict

from kairos.backend import Capabilities
from kairos_conformance import BackendSuite

TEXT = (Path(__file__).parents[1] / "docs" / "conformance.md").read_text()
TESTS = {name: test for base in BackendSuite.__mro__ for name, test in vars(base).items() if name.startswith("test_")}
ROWS = {line.split("`")[1]: line for line in TEXT.splitlines() if line.startswith("| `")}


@pytest.mark.parametrize("capability", fields_dict(Capabilities))
def test_each_capability_has_its_tests(capability: str) -> None:
    switched = [name for name, test in TESTS.items() if f"capability ``{capability}``" in inspect.getdoc(test)]
    assert [name for name in switched if f"`{name}`" not in ROWS[capability]] == []


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", TEXT)
    assert len(named) > 20
    assert [name for name in named if name not in TESTS] == []


def test_every_choice_chooses_something() -> None:
    table = TEXT.partition("| `-k` |")[2].partition("\n\n")[0]
    words = [word for choice in re.findall(r"^\| `([^`]*)`", table, re.MULTILINE) for word in choice.split(" or ")]
    assert len(words) > 20
    assert [word for word in words if not any(word in name for name in TESTS)] == []
