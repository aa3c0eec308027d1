"""A Java to run servers with, and their jars, which Maven fetches once into the user's cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from kairos_conformance.servers._process import Missing

__all__ = ["jars", "java"]

_POM = """\
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>kairos</groupId>
  <artifactId>server-for-tests</artifactId>
  <version>1</version>
  <dependencies>
    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>
  </dependencies>
</project>
"""


def java(versions: Collection[int]) -> str:
    """The first Java of one of these versions: that of ``JAVA_HOME``, of PATH, or of the distribution's folder."""
    for candidate in _candidates():
        try:
            done = subprocess.run([candidate, "-version"], capture_output=True, text=True, check=True)  # noqa: S603
        except (OSError, subprocess.CalledProcessError):
            continue
        found = re.search(r'version "(\d+)', done.stderr)
        if found and int(found[1]) in versions:
            return candidate
    wanted = " or ".join(map(str, versions))
    raise Missing(f"no Java {wanted}: sudo apt install openjdk-{max(versions)}-jre-headless, or set JAVA_HOME")


def _candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home, "bin", "java"))
    if found := shutil.which("java"):
        yield found
    yield from map(str, sorted(Path("/usr/lib/jvm").glob("*/bin/java")))


def jars(group: str, artifact: str, version: str) -> Path:
    """The folder with an artifact and all that it needs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "kairos")
    folder = cache / f"{artifact}-{version}"
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(f"no Maven to fetch {artifact} with: sudo apt install maven")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        pom, fetched = Path(scratch, "pom.xml"), Path(scratch, "jars")
        pom.write_text(_POM.format(group=group, artifact=artifact, version=version))
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"]
        done = subprocess.run(  # noqa: S603 - no input from outside
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = next((line for line in done.stdout.splitlines() if "ERROR" in line), done.stderr.strip())
            raise Missing(f"Maven could not fetch {artifact} {version}: {reason}")
        try:
            fetched.rename(folder)
        except OSError:  # another test run was faster
            if not folder.is_dir():
                raise
    return folder
