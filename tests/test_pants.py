"""What Pants cannot tell of its own configuration."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECTS = sorted(file.parent for pattern in ("*", "examples/*") for file in ROOT.glob(f"{pattern}/pyproject.toml"))
FOLDERS = [str(folder.relative_to(ROOT)) for folder in PROJECTS]


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_distribution_holds_every_package_and_these_have_their_layer(folder: str) -> None:
    build = (ROOT / folder / "BUILD").read_text()
    for package in (ROOT / folder / "src").rglob("__init__.py"):
        assert f'"//{package.parent.relative_to(ROOT)}"' in build
    [top] = (ROOT / folder / "src").glob("*/__init__.py")
    assert "__dependencies_rules__" in (top.parent / "BUILD").read_text()


def test_the_versions_are_one_everywhere() -> None:
    config, overlay = (tomllib.loads((ROOT / name).read_text()) for name in ("pants.toml", "pants.ci.toml"))
    launcher = dict(re.findall(r"\b(\w+)_version=(\S+)", (ROOT / "tools" / "pants-ci").read_text()))
    assert overlay["GLOBAL"]["pants_version"] == launcher["pants"]
    assert overlay["pex-cli"]["version"] == f"v{launcher['pex']}"
    for page in ("CONTRIBUTING.md", "README.md"):
        told = (ROOT / page).read_text()
        assert f"Pants {launcher['pants']}" in told, page
        assert f"Pants {config['GLOBAL']['pants_version']}" in told, page
