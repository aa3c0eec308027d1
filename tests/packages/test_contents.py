"""What the wheels and the sdists in dist/ hold: the package, its types, its license, and nothing else."""

import os
import tarfile
import tomllib
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
PROJECTS = {
    file.parent: tomllib.loads(file.read_text())["project"]
    for pattern in ("*/pyproject.toml", "examples/*/pyproject.toml")
    for file in sorted(ROOT.glob(pattern))
}
FOLDERS = [str(folder.relative_to(ROOT)) for folder in PROJECTS]

pytestmark = [
    pytest.mark.packages,
    pytest.mark.skipif("RESOLUTIONS" not in os.environ, reason="only `make test-packages` builds dist/"),
]


def stem(folder: Path) -> str:
    project = PROJECTS[folder]
    return f"{project['name'].replace('-', '_')}-{project['version']}"


def committed(home: Path, folder: str, tracked: list[Path]) -> set[PurePosixPath]:
    """What git knows in a folder of a distribution, but for the files of Pants."""
    return {
        PurePosixPath(path.relative_to(home))
        for path in tracked
        if path.is_relative_to(home / folder) and path.name != "BUILD"
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_wheel_holds_the_package_as_it_is_committed(folder: str, tracked: list[Path]) -> None:
    home = ROOT / folder
    [package] = [path for path in (home / "src").iterdir() if (path / "__init__.py").exists()]
    with ZipFile(DIST / f"{stem(home)}-py3-none-any.whl") as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = {PurePosixPath(name).name for name in wheel.namelist() if ".dist-info/" in name}
    assert held == {path.relative_to("src").as_posix() for path in committed(home, "src", tracked)}
    assert f"{package.name}/py.typed" in held
    assert {"METADATA", "LICENSE", "WHEEL", "RECORD"} <= metadata


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_sdist_holds_source_tests_and_texts(folder: str, tracked: list[Path]) -> None:
    home = ROOT / folder
    with tarfile.open(DIST / f"{stem(home)}.tar.gz") as sdist:
        held = {PurePosixPath(member.name).relative_to(stem(home)) for member in sdist if member.isfile()}
    texts = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
    assert {PurePosixPath(text) for text in texts} <= held
    assert {path for path in held if str(path) not in texts} == committed(home, "src", tracked) | committed(
        home, "tests", tracked
    )


def test_dist_holds_a_wheel_and_an_sdist_of_each_distribution() -> None:
    built = {path.name for path in DIST.iterdir() if path.is_file()}
    assert built == {f"{stem(folder)}{end}" for folder in PROJECTS for end in ("-py3-none-any.whl", ".tar.gz")}
