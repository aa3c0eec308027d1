"""The core knows no backend, no backend knows another, and only tests know the conformance suite."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest
from importlib_metadata import packages_distributions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECTS = {
    project["name"]: (folder, project)
    for pattern in ("*/pyproject.toml", "examples/*/pyproject.toml")
    for folder in sorted(file.parent for file in ROOT.glob(pattern))
    for project in [tomllib.loads((folder / "pyproject.toml").read_text())["project"]]
}
SUITE = "kairos_conformance"


def imported(source: str) -> set[str]:
    """Give the top-level names that a module imports, wherever in it and however."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                names.update(alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), level=0):
                names.add(module)
            case ast.Call(
                func=ast.Name(id=function) | ast.Attribute(attr=function), args=[ast.Constant(str(name)), *_]
            ):
                if function in {"import_module", "importorskip", "__import__"}:
                    names.add(name)
    return {name.partition(".")[0] for name in names}


def requirements(project: dict) -> list[Requirement]:
    extras = project.get("optional-dependencies", {}).values()
    return [Requirement(line) for line in (*project["dependencies"], *(line for extra in extras for line in extra))]


def test_every_form_of_import_is_seen() -> None:
    source = """
import a.b
from c.d import e
from . import sibling
def late():
    import f
    import_module("g.h"), importlib.import_module("i"), pytest.importorskip("j"), import_module(unknown)
"""
    assert imported(source) == {"a", "c", "f", "g", "i", "j"}


def test_the_distributions_are_found() -> None:
    assert {"kairos-core", "kairos-redis", "kairos-sql", "kairos-conformance"} <= PROJECTS.keys()


@pytest.mark.parametrize("name", PROJECTS)
def test_a_distribution_requires_the_core_alone_of_ours(name: str) -> None:
    required = {requirement.name for requirement in requirements(PROJECTS[name][1])}
    assert required & PROJECTS.keys() == (set() if name == "kairos-core" else {"kairos-core"})


@pytest.mark.parametrize("name", PROJECTS)
def test_a_distribution_imports_only_what_it_requires(name: str) -> None:
    folder, project = PROJECTS[name]
    required = {canonicalize_name(requirement.name) for requirement in requirements(project)}
    allowed = {package.name for package in (folder / "src").iterdir()}
    allowed |= {"kairos"} if "kairos-core" in required else set()
    for package, distributions in packages_distributions().items():
        if required.intersection(map(canonicalize_name, distributions)):
            allowed.add(package)
    modules = sorted((folder / "src").rglob("*.py"))
    assert modules
    strange = {
        f"{module.relative_to(ROOT)}: {package}"
        for module in modules
        for package in imported(module.read_text()) - allowed - sys.stdlib_module_names
    }
    assert not strange


def test_examples_and_benchmarks_do_without_the_suite() -> None:
    modules = [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]
    scripts = [module for module in modules if "tests" not in module.parts]
    assert scripts
    assert [module for module in scripts if SUITE in imported(module.read_text())] == []
