"""The one requirements list, its lock and the ranges of the distributions say the same, and versions move together."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "3rdparty" / "python"
LISTED = {
    requirement.name: requirement
    for line in (FOLDER / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}
# One entry of the lock: the pinned version, a marker perhaps, and the hashes on the lines that follow.
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?P<marker> ;[^\\]+)? \\\n(?P<hashes>(?:    --hash=\S+.*\n)+)",
    re.MULTILINE,
)
LOCK = (FOLDER / "default.lock").read_text()
LOCKED = [(entry["name"], entry["version"]) for entry in ENTRY.finditer(LOCK)]
PROJECTS = {
    file.parent.name: tomllib.loads(file.read_text())
    for pattern in ("*/pyproject.toml", "examples/*/pyproject.toml")
    for file in sorted(ROOT.glob(pattern))
}
OURS = {project["project"]["name"]: project["project"]["version"] for project in PROJECTS.values()}


def declared(project: dict) -> list[Requirement]:
    extras = project["project"].get("optional-dependencies", {}).values()
    groups = project.get("dependency-groups", {}).values()
    lines = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    return [Requirement(line) for line in (*lines, *(line for more in (*extras, *groups) for line in more))]


@pytest.mark.parametrize("folder", PROJECTS)
def test_the_ranges_of_a_distribution_are_those_of_the_list(folder: str) -> None:
    for requirement in declared(PROJECTS[folder]):
        if requirement.name not in OURS:
            listed = LISTED[requirement.name]
            assert requirement.specifier == listed.specifier, requirement.name
            assert requirement.extras <= listed.extras, requirement.name


def test_all_distributions_share_a_major_and_a_minor_number() -> None:
    assert len({Version(version).release[:2] for version in OURS.values()}) == 1, OURS


@pytest.mark.parametrize("folder", PROJECTS)
def test_a_distribution_needs_others_from_its_own_minor_version_on(folder: str) -> None:
    own = Version(PROJECTS[folder]["project"]["version"])
    needed = [requirement for requirement in declared(PROJECTS[folder]) if requirement.name in OURS]
    assert needed or folder == "kairos-core"
    for requirement in needed:
        [specifier] = requirement.specifier
        asked = Version(specifier.version)
        # ~=1.4 is 1.4 and later ones below 2: with a third number it would be those below 1.5.
        assert specifier.operator == "~=", requirement
        assert asked.release == own.release[:2], requirement
        assert own.is_prerelease or not asked.is_prerelease, requirement
        assert specifier.contains(OURS[requirement.name], prereleases=True), requirement


def test_the_lock_holds_every_listed_requirement() -> None:
    for name, requirement in LISTED.items():
        versions = [version for locked, version in LOCKED if locked == name]
        assert versions, name
        assert all(version in requirement.specifier for version in versions), name


def test_every_line_of_the_lock_is_a_hashed_entry() -> None:
    assert ENTRY.sub("", LOCK) == ""
