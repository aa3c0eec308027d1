"""What the tests of the repository share."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def tracked() -> list[Path]:
    """The files that git knows: a stray one in the tree is none of the project's."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode and "CI" not in os.environ:
        pytest.skip(f"not a git checkout: {listing.stderr.strip()}")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    assert files, listing.stderr
    return [file for file in files if file.is_file()]
