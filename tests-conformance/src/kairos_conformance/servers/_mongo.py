"""MongoDB's wire protocol from the SecantusDB wheel (WiredTiger's storage), for where there is no mongod."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from urllib.parse import quote

from attrs import define, field

from kairos_conformance.servers._process import Closing, Missing, Process, free_port

__all__ = ["MongoServer", "secantus"]


def secantus_binary() -> str:
    """The ``secantusd-py`` of this environment."""
    found = Path(sys.executable).with_name("secantusd-py")
    if not found.exists():
        raise Missing("no server that speaks MongoDB's protocol: pip install SecantusDB")
    return str(found)


@define(eq=False, kw_only=True)
class MongoServer(Closing):
    """One running server."""

    process: Process
    port: int
    user: tuple[str, str] | None = field(default=None)
    """Who logs in by `url`."""

    @property
    def url(self) -> str:
        """Its URL, without a database."""
        return self.url_as(*self.user) if self.user else f"mongodb://127.0.0.1:{self.port}/"

    def url_as(self, name: str, password: str) -> str:
        """Its URL for another user."""
        return f"mongodb://{quote(name)}:{quote(password)}@127.0.0.1:{self.port}/?authSource=admin"

    def stop(self) -> None:
        self.process.stop()


def secantus(*options: str, ttl_sweep_seconds: int | None = None) -> MongoServer:
    """A server of its own; ``options`` are words of its command line. Like mongod it removes what has expired once a
    minute; with ``ttl_sweep_seconds``, for which there is no such option, it takes none.
    """
    binary, folder, port = secantus_binary(), Process.new_folder(), free_port()
    settings = folder / "secantusd.toml"
    settings.write_text('[storage]\ncache_size = "256M"\n')
    command = [binary, "--config", str(settings), "--host", "127.0.0.1", "--port", str(port), "--log-level", "WARNING"]
    command += ["--storage-path", str(folder / "data"), *options]
    if ttl_sweep_seconds is not None:
        command = [sys.executable, "-c", _SWEEPING, str(folder / "data"), str(port), str(ttl_sweep_seconds)]
    process = Process(command=command, folder=folder, ready=lambda: _answers(port))
    return MongoServer(process=process.start(), port=port)


_SWEEPING = """
import sys, time
from secantus import SecantusDBServer
path, port, seconds = sys.argv[1:]
with SecantusDBServer(storage_path=path, port=int(port), ttl_sweep_seconds=float(seconds)):
    while True:
        time.sleep(60)
"""


def _answers(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
