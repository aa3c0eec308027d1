"""Every code block of the documentation is run or checked; a block of a kind that nobody checks is an error.

Blocks of one document share their names and one scratch folder, in the order of the page.
"""

import ast
import doctest
import os
import shlex
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from sybil import Document, Example
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser
from sybil.parsers.markdown.lexers import FENCE

from kairos_conformance.servers import Lasting, cassandra, postgresql, secantus, shared, valkey

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    {
        page
        for pattern in ("*.md", "*/*.md", "docs/**/*.md", "examples/*/*.md")
        for page in ROOT.glob(pattern)
        if not any(part.startswith(".") for part in page.relative_to(ROOT).parts) and FENCE.search(page.read_text())
    }
)
# `text` is what a program prints, or a drawing.
LANGUAGES = {"python", "console", "toml", "text"}
PROJECTS = {
    project["name"]: project
    for pattern in ("*/pyproject.toml", "examples/*/pyproject.toml")
    for file in ROOT.glob(pattern)
    for project in [tomllib.loads(file.read_text())["project"]]
}
# The servers of the examples, and those that they run on.
VALKEY, POSTGRESQL, SECANTUS = Lasting(valkey), Lasting(postgresql), Lasting(secantus)
CASSANDRA = Lasting(partial(shared, cassandra))
SERVERS = {
    "redis://localhost:6379": lambda: VALKEY.demand().url.removesuffix("/0"),
    "mongodb://localhost:27017/": lambda: SECANTUS.demand().url,
    "cassandra://localhost": lambda: CASSANDRA.demand().url,
    "localhost/metrics": lambda: POSTGRESQL.demand().url.partition("://")[2],
}
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def execute(command: list[str], folder: Path) -> str:
    """Run a command as a user would, without what make and pytest tell their children."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTEST_"))}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def check(command: str, expected: str) -> None:
    """Run one line of a console block where that is possible, or check that it says what is true."""
    match shlex.split(command):
        case ["python", *arguments]:
            output = execute([sys.executable, *arguments], Path.cwd())
        case ["pytest", *arguments]:
            output = execute([sys.executable, "-m", "pytest", *arguments], Path.cwd())
        case ["make", *_] as make:
            # Only named: a target may be the one that runs this test.
            execute([*make, "--dry-run"], ROOT)
            return
        case ["pip", "install", *names]:
            for requirement in map(Requirement, (name.removeprefix("./").removeprefix("examples/") for name in names)):
                extras = PROJECTS[requirement.name].get("optional-dependencies", {})
                assert requirement.extras <= extras.keys(), requirement
            return
        case ["git", "clone", *_] | ["cd", _] | ["sudo", "apt", "install", *_]:
            return
        case _:
            raise AssertionError(f"nobody checks the command {command!r}")
    if expected:
        assert doctest.OutputChecker().check_output(expected, output, FLAGS), f"{command} printed:\n{output}"


def console(example: Example) -> None:
    lines = example.parsed.replace("\\\n", " ").splitlines(keepends=True)
    assert lines[0].startswith("$ "), f"{example.path}:{example.line}: a console block starts with a command"
    starts = [number for number, line in enumerate(lines) if line.startswith("$ ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        check(lines[start][2:], "".join(lines[start + 1 : end]))


def toml(example: Example) -> None:
    tomllib.loads(example.parsed)


def test_there_is_a_page_per_distribution() -> None:
    assert len(PAGES) >= len(PROJECTS)


def test_the_example_of_a_backend_is_what_its_page_says() -> None:
    page = (ROOT / "docs" / "writing-a-backend.md").read_text()
    example = ROOT / "examples" / "kairos-lmdb"
    assert f"```python\n{(example / 'tests' / 'test_conformance.py').read_text()}```" in page
    assert sum(code_lines(file.read_text()) for file in example.glob("src/**/*.py")) < 250


def code_lines(source: str) -> int:
    """How many lines hold code: no imports, comments or docstrings."""
    others: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        lines = range(getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) + 1)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            others.update(lines)
    rest = [line.strip() for number, line in enumerate(source.splitlines(), 1) if number not in others]
    return sum(bool(line) and not line.startswith("#") for line in rest)


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text()
    for place, url in SERVERS.items():
        if place in text:
            text = text.replace(place, url())
    document = Document(text, str(ROOT / page))
    for parser in (
        PythonCodeBlockParser(doctest_optionflags=FLAGS),
        CodeBlockParser("console", console),
        CodeBlockParser("toml", toml),
    ):
        for region in parser(document):
            document.add(region)
    document.namespace["__name__"] = "page"
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_every_block_is_of_a_checked_language(page: str) -> None:
    openings = [fence["trailing"].strip() for fence in FENCE.finditer((ROOT / page).read_text())][::2]
    assert set(openings) <= LANGUAGES
