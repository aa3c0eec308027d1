"""The page of licences: all that the locks hold is on it, and a backend brings nothing that would bind its user."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "licences.md").read_text()
LOCKED = {
    name
    for lock in (ROOT / "3rdparty" / "python").glob("*.lock")
    for name in re.findall(r"^([a-z0-9-]+)==", lock.read_text(), re.MULTILINE)
}
# Name, licence, and which of our distributions bring it.
ROWS = re.findall(r"^\| ([a-z0-9-]+) \| ([^|]+) \|(?: ([^|]*) ?\|)?$", PAGE, re.MULTILINE)
PERMISSIVE = re.compile(r"0BSD|Apache-2\.0|BSD(-\d-Clause)?|CC0-1\.0|ISC|MIT(-0)?|PSF-2\.0|Zlib")
BACKENDS = re.compile(r"all|kairos-(cassandra|core|mongo|redis|sql)")


def test_all_that_the_locks_hold_is_listed() -> None:
    assert {name for name, *_ in ROWS} - {"distribution"} == LOCKED  # if not: make licences


def test_the_page_says_of_every_licence_that_is_not_permissive() -> None:
    bound = {
        name
        for name, licence, by in ROWS
        if BACKENDS.search(by) and not all(PERMISSIVE.fullmatch(part) for part in re.split(" AND | OR ", licence))
    }
    assert bound == {"psycopg", "psycopg-binary"}
    words = PAGE.partition("<!--")[0]
    for name, licence, _ in ROWS:
        if "GPL" in licence and name not in {"docutils", "psycopg-binary"}:
            assert name.removesuffix("-binary") in words.lower(), name
