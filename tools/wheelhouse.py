#!/usr/bin/env python3
"""Fetch all that our wheels require into one folder, from which they can be installed without an index.

usage: wheelhouse.py lowest|newest, run by the Python it is for; UV in the environment names uv.

One resolution holds for all distributions with all their extras: it must serve whatever a user installs together.
The folder is dist/RESOLUTION-X.Y, and its pins.txt names the versions.
"""

import os
import subprocess
import sys
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

DIST = Path(__file__).parents[1] / "dist"
MODES = {"lowest": "lowest-direct", "newest": "highest"}


def wanted(wheel: Path) -> list[str]:
    """Name a wheel of ours with its extras, and what it requires: for "lowest" only what is named here counts."""
    with ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(archive.read(name).decode())
    extras = ",".join(metadata.get_all("Provides-Extra", []))
    required = (line.partition(";")[0].strip() for line in metadata.get_all("Requires-Dist", []))
    return [
        f"{metadata['Name']}{f'[{extras}]' if extras else ''}=={metadata['Version']}",
        *(line for line in required if not line.startswith("kairos-")),
    ]


def main(resolution: str) -> None:
    """Resolve, then download."""
    folder = DIST / "{}-{}.{}".format(resolution, *sys.version_info)
    folder.mkdir(parents=True, exist_ok=True)
    lines = {line for wheel in DIST.glob("*.whl") for line in wanted(wheel)}
    (folder / "wanted.txt").write_text("\n".join(sorted(lines)))
    pins = folder / "pins.txt"
    resolve = ["pip", "compile", "--quiet", "--resolution", MODES[resolution], "--python", sys.executable, "--upgrade"]
    resolve += ["--find-links", str(DIST), "--no-header", "--no-annotate", "--no-emit-find-links"]
    subprocess.run([os.environ["UV"], *resolve, str(folder / "wanted.txt"), "-o", str(pins)], check=True)
    download = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), "--find-links", str(DIST)]
    subprocess.run([sys.executable, "-m", "pip", "download", *download, "-r", str(pins)], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
