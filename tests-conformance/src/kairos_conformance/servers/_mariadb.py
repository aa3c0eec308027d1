"""MariaDB from PATH."""

from __future__ import annotations

import os
import secrets
import shutil
import socket

from attrs import define

from kairos_conformance.servers._process import Closing, Missing, Process, carry_out, free_port

__all__ = ["MariaDBServer", "mariadb"]


def _binary(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing(f"no {name} on PATH: sudo apt install mariadb-server-core mariadb-client-core")
    return found


@define(eq=False, kw_only=True)
class MariaDBServer(Closing):
    """One running server, with a user ``kairos`` who may do everything and an empty database ``kairos``."""

    process: Process
    port: int
    password: str

    @property
    def url(self) -> str:
        """Its URL, which names no driver."""
        return self.url_as("kairos", self.password)

    def url_as(self, user: str, password: str, database: str = "kairos") -> str:
        """Its URL for another user or database."""
        return f"mariadb://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def kill(self) -> None:
        """End it as a crash would; ``process.start()`` recovers what was committed."""
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()


def mariadb(*options: str) -> MariaDBServer:
    """A server of its own, which does not wait for the disk; ``options`` are words of its command line."""
    server, install, _ = map(_binary, ("mariadbd", "mariadb-install-db", "my_print_defaults"))
    folder, port, password = Process.new_folder(), free_port(), secrets.token_hex(8)
    # It refuses root, unless root is named; then the folder need not be given to somebody else.
    common = ["--no-defaults", f"--datadir={folder}/data", *(["--user=root"] if os.getuid() == 0 else [])]
    making = [install, *common, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin"]
    try:
        carry_out(making, folder=folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    init = folder / "init.sql"
    init.write_text(
        f"CREATE USER IF NOT EXISTS kairos@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        "GRANT ALL ON *.* TO kairos@'127.0.0.1' WITH GRANT OPTION;\n"
        "CREATE DATABASE IF NOT EXISTS kairos;\n"
    )
    command = [server, *common, f"--socket={folder}/socket", f"--port={port}", "--bind-address=127.0.0.1"]
    command += [f"--init-file={init}", f"--pid-file={folder}/pid", f"--tmpdir={folder}", "--skip-name-resolve"]
    # What is committed reaches the kernel, and so survives a killed process, but is not waited for.
    command += ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M"]
    command += ["--max-connections=300", "--innodb-flush-method=nosync", *options]
    process = Process(command=command, folder=folder, ready=lambda: _greets(port))
    return MariaDBServer(process=process.start(), port=port, password=password)


def _greets(port: int) -> bool:
    """Whether it takes connections: its first packet begins with the version of the protocol."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(5)[4:] == b"\n"
