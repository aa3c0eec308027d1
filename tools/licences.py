#!/usr/bin/env python3
"""Write the tables of docs/licences.md anew: what the locks hold, under which licence, and who installs it.

usage: licences.py PIP_LICENSES PYTHON..., run by a Python that has our distributions and all that they require.
Each PYTHON is an environment made from a lock.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "3rdparty" / "python"
PAGE = ROOT / "docs" / "licences.md"
MARK = "<!-- make licences writes what follows -->\n"
# Locked for other systems and Pythons, so that no environment here has them.
ELSEWHERE = {
    "async-timeout": "Apache-2.0",
    "backports-tarfile": "MIT",
    "colorama": "BSD-3-Clause",
    "pywin32-ctypes": "BSD-3-Clause",
}
# What older metadata says, in the words of SPDX.
SPDX = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD License; GNU General Public License (GPL); Public Domain": "BSD-2-Clause AND GPL (an Emacs mode) AND CC0-1.0",
    "CC0": "CC0-1.0",
    "GNU Library or Lesser General Public License (LGPL)": "LGPL-3.0-or-later with exceptions",
    "MIT License": "MIT",
    "MIT style": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}


def locked(lock: str) -> list[str]:
    """Name what a lock holds."""
    return sorted(set(re.findall(r"^([a-z0-9-]+)==", (LOCKS / f"{lock}.lock").read_text(), re.MULTILINE)))


def licences(program: str, python: str) -> dict[str, str]:
    """Give the licence of all that an environment has."""
    command = [program, "--python", python, "--with-system", "--from=mixed", "--format=json"]
    listed = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {canonicalize_name(one["Name"]): SPDX.get(one["License"], one["License"]) for one in listed}


def pulled(found: Distribution, extras: set[str], seen: set[tuple[str, str]]) -> Iterator[str]:
    """Name all that comes with a distribution and its extras."""
    for requirement in map(Requirement, found.requires or []):
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        name = canonicalize_name(requirement.name)
        new = {(name, extra) for extra in {"", *requirement.extras}} - seen
        if new:
            seen |= new
            yield name
            try:
                yield from pulled(distribution(name), requirement.extras, seen)
            except PackageNotFoundError:
                continue


def users() -> dict[str, set[str]]:
    """Give for each distribution those of ours that bring it, with any of their extras."""
    found: dict[str, set[str]] = {}
    for file in (*ROOT.glob("*/pyproject.toml"), *ROOT.glob("examples/*/pyproject.toml")):
        ours = distribution(tomllib.loads(file.read_text())["project"]["name"])
        for name in pulled(ours, set(ours.metadata.get_all("Provides-Extra") or []), set()):
            found.setdefault(name, set()).add(ours.name)
    return found


def main(program: str, *pythons: str) -> None:
    """Write the page: its words stay."""
    known = dict(ELSEWHERE)
    for python in pythons:
        known |= licences(program, python)
    brought = users()
    everyone = set().union(*brought.values())
    lines = ["## What kairos uses and is tested with", "", "| distribution | licence | comes with |", "|---|---|---|"]
    for name in locked("default"):
        by = brought.get(name, set())
        lines += [f"| {name} | {known[name]} | {'all' if by == everyone else ', '.join(sorted(by))} |"]
    for lock, title in {"docs": "What builds the site", "tools": "What builds the packages"}.items():
        lines += ["", f"## {title}", "", "| distribution | licence |", "|---|---|"]
        lines += [f"| {name} | {known[name]} |" for name in locked(lock)]
    head = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(head + MARK + "\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
