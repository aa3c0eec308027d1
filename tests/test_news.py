"""The news fragments: one for each change that a user can notice, of a kind that the changelog has."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "towncrier.toml").read_text())["tool"]["towncrier"]
KINDS = {kind["directory"] for kind in CONFIG["type"]}
FOLDERS = sorted(file.parent for pattern in ("*", "examples/*") for file in ROOT.glob(f"{pattern}/CHANGELOG.md"))


@pytest.mark.parametrize("folder", [str(folder.relative_to(ROOT)) for folder in FOLDERS])
def test_a_fragment_is_of_a_known_kind_and_the_changelog_has_its_place(folder: str) -> None:
    assert (ROOT / folder / "CHANGELOG.md").read_text().count(CONFIG["start_string"]) == 1
    for fragment in (ROOT / folder / "changes").glob("*"):
        name, kind, suffix = fragment.name.rsplit(".", 2)
        assert name
        assert kind in KINDS, fragment
        assert suffix == "md"
        assert fragment.read_text().strip(), fragment


def test_every_distribution_has_a_changelog() -> None:
    projects = {file.parent for pattern in ("*", "examples/*") for file in ROOT.glob(f"{pattern}/pyproject.toml")}
    assert projects == set(FOLDERS)
