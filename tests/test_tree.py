"""What holds for every file of the repository."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Where a package or a release comes from is the user's choice, and nobody has our home folder.
REGISTRY = re.compile(r"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|crates\.io|repo1?\.maven\.org)\b")
HOME = re.compile(r"(?<![\w.}])/(?:root|home/[\w.-]+|Users/[\w.-]+)/[\w.]")


def found(pattern: re.Pattern[str], files: list[Path]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in files
        for match in pattern.finditer(file.read_text(encoding="utf-8", errors="replace"))
    ]


def test_no_file_names_a_registry(tracked: list[Path]) -> None:
    assert found(REGISTRY, tracked) == []


def test_no_file_names_a_home_folder(tracked: list[Path]) -> None:
    assert found(HOME, tracked) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [(REGISTRY, "https://py" + "pi.org/simple"), (HOME, "cd /ro" + "ot/x"), (HOME, '"/ho' + 'me/ann/x"')],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


def test_nothing_is_hidden_from_coverage(tracked: list[Path]) -> None:
    pragma = re.compile(
        r"(?i)#\s*pragma[:\s]+no\s*" + "(?:cover|branch)|" + "exclude_(?:also|lines)|" + "partial_(?:also|branches)"
    )
    assert found(pragma, [file for file in tracked if file.suffix in {".py", ".toml"}]) == []


def test_every_module_is_under_400_lines(tracked: list[Path]) -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in tracked if file.suffix == ".py"}
    assert {str(file.relative_to(ROOT)): length for file, length in lengths.items() if length >= 400} == {}
