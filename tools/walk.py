#!/usr/bin/env python3
"""Do in a clean clone what README files and `make help` say, as somebody would who has nothing but the system.

usage: walk.py, in a checkout; it takes the last commit. A Python of 3.11 or newer is all that it needs itself.

The home folder is new, the environment has what is named here, and PATH has the folders of the system. Commands come
from the console blocks, targets from `make help`: one that nobody has said how to run is an error. A target that takes
long is run in a short form, since `.ci/run` runs all of it elsewhere.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
SYSTEM = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# What a machine needs to reach the package index.
CONNECTION = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "GOPROXY")

# How a target is run: with what after its name. Those of one distribution need no server, or Valkey's.
QUICK = "JOBS=0 ARGS='-q -k {}'"
FORMS = {
    "help": "",
    "demo": "",
    "lint": "",
    "format": "",
    "docs": "",
    "workflows": "",
    "packages": "",
    "licences": "",
    "api": "",
    "bench": "ARGS='--quick sqlite'",
    "test": QUICK.format("test_quantiles"),
    "test-all": QUICK.format("test_quantiles"),
    "coverage": QUICK.format("test_quantiles") + " FLOORS=kairos-core:1",
    "test-repository": QUICK.format("test_requirements"),
    "test-kairos-cassandra": QUICK.format("test_partitions"),
    "test-kairos-core": QUICK.format("test_steps"),
    "test-kairos-mongo": QUICK.format("test_keys"),
    "test-kairos-redis": QUICK.format("test_urls"),
    "test-kairos-sql": QUICK.format("test_types"),
    "test-kairos-lmdb": QUICK.format("test_file"),
    "test-kairos-stats": QUICK.format("test_quantiles"),
    "test-tests-conformance": QUICK.format("test_suite"),
    "test-packages": "RESOLUTIONS=newest SUITE='-k counts' JOBS=0 ARGS='-q -k memory'",
    "changelog": "DISTRIBUTION=kairos-redis VERSION=9.9.9",
    # These come last: the lock is another one afterwards, and nothing is left in the end.
    "lock": "",
    "clean": "",
}
ELSEWHERE = {
    "audit": "asks a service for known weaknesses, which is not the package index: the public workflow runs it",
    "docs-links": "asks the sites that the documentation links to: the public workflow runs it",
    "matrix": "is test-packages for each Python: .ci/run has the lowest and the highest",
    "pants": "takes minutes to set up its own Python: .ci/run runs it",
}


class Walk:
    """A clean clone, and a home that is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clone = folder / "kairos"
        self.times: list[tuple[float, str]] = []
        own = folder / "bin"
        for new in (folder / "home", own):
            new.mkdir()
        self.environment = {
            "HOME": str(folder / "home"),
            "PATH": f"{own}:{SYSTEM}",
            "CI": "true",
            # What has been downloaded before need not be again.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        }
        self.environment |= {name: os.environ[name] for name in CONNECTION if name in os.environ}
        self.run(f"git clone --quiet {shlex.quote(str(ROOT))} kairos", folder)
        if go := shutil.which("go"):
            (own / "go").symlink_to(Path(go).resolve())
        if self.call("tools/find-python", self.clone, {}).returncode:  # the system has none that would do
            (own / "python3").symlink_to(sys.executable)

    def call(self, command: str, folder: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command with nothing of the environment of whoever runs this."""
        return subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=folder,
            env=self.environment | more,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def run(self, command: str, folder: Path, more: dict[str, str] | None = None) -> str:
        """Run a command that must succeed."""
        begin = time.monotonic()
        print(f"$ {command}", flush=True)
        done = self.call(command, folder, more or {})
        self.times.append((time.monotonic() - begin, command))
        if done.returncode:
            sys.exit(f"{done.stdout}\nwalk: {command!r} in {folder} ended with {done.returncode}")
        return done.stdout

    def targets(self) -> list[str]:
        """What `make help` names, in the order of FORMS."""
        named = {line.split()[0] for line in self.run("make help", self.clone).splitlines()}
        if strange := named ^ {*FORMS, *ELSEWHERE}:
            sys.exit(f"walk: say in tools/walk.py how to run {', '.join(sorted(strange))}, or remove it there")
        return [target for target in FORMS if target in named]

    def make(self, targets: list[str]) -> None:
        """Run targets, each in its form."""
        for target in targets:
            self.run(f"make {target} {FORMS[target]}".rstrip(), self.clone)

    def page(self, page: Path) -> None:
        """Run the commands of a page but make's, in an environment of its own."""
        commands = [command for command in console(page.read_text()) if not run_already(command)]
        if not commands:
            return
        print(f"# {page.relative_to(self.clone)}", flush=True)
        environment = self.folder / "pages" / page.parent.name
        self.run(f"{self.clone}/.venv/bin/python -m venv {environment}", self.clone)
        [house] = (self.clone / "dist").glob("newest-*")
        more = {
            "PATH": f"{environment}/bin:{self.environment['PATH']}",
            "PIP_FIND_LINKS": f"{self.clone}/dist {house}",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        for command in commands:
            match shlex.split(command):
                case ["pip", "install", *names] if not any(name.startswith("./") for name in names):
                    # Not published yet: the wheels of this very commit.
                    self.run(command, self.clone, more | {"PIP_NO_INDEX": "1"})
                case ["pip" | "pytest" | "python", *_]:
                    self.run(command, self.clone, more)
                case _:
                    sys.exit(f"walk: nobody has said how to run {command!r} of {page}")


def run_already(command: str) -> bool:
    """Tell whether it is make with a target that we know."""
    match shlex.split(command):
        case ["make", target, *_]:
            return target in {*FORMS, *ELSEWHERE}
        case _:
            return False


def console(text: str) -> list[str]:
    """Give the commands in the console blocks of a page."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [
        line.strip().removeprefix("$ ")
        for block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip().startswith("$ ")
    ]


def main() -> None:
    """Walk: what builds on the lock, then the pages, then what changes or removes it."""
    with TemporaryDirectory(prefix="kairos-walk-") as folder:
        walk = Walk(Path(folder))
        targets = walk.targets()
        last = targets.index("changelog")
        pages = [walk.clone / name for name in walk.run("git ls-files '*README.md'", walk.clone).split()]
        walk.make(targets[:last])
        for page in (*pages, walk.clone / "CONTRIBUTING.md"):
            walk.page(page)
        walk.make(targets[last:])
        walk.run("git reset --quiet --hard", walk.clone)
        if left := walk.run("git status --porcelain --ignored", walk.clone):
            sys.exit(f"walk: make clean left\n{left}")
    print("\nThe slowest:")
    for seconds, command in sorted(walk.times, reverse=True)[:12]:
        print(f"{seconds:6.0f} s  {command}")
    for target, reason in ELSEWHERE.items():
        print(f"not run: make {target}: {reason}")


if __name__ == "__main__":
    main()
