"""Processes for tests: on loopback, on free ports, and ended by their own process id."""

from __future__ import annotations

import atexit
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from attrs import define, field

__all__ = ["Closing", "Missing", "Process", "carry_out", "free_port"]


class Missing(Exception):
    """A server is not installed. The message is one line that says how to get it."""


# Below the ports that Linux (from 32,768) and macOS (from 49,152) give to outgoing connections: a connection that some
# test opened would take the port between now and when the server binds it, or while a killed server is down.
_PORTS = range(10_000, 32_768)
_to_try = cycle(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """A port of the loopback interface on which nobody listens now, and which no outgoing connection gets.

    A process is given none twice, as long as there are others.
    """
    for port in islice(_to_try, len(_PORTS)):
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"all ports from {_PORTS.start} to {_PORTS.stop - 1} are in use")


class Closing:
    """A server to use in a ``with`` block."""

    def stop(self) -> None:
        """End what was started."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def carry_out(command: Sequence[object], *, folder: Path, user: str | None = None, given: bytes = b"") -> None:
    """A command that must succeed before a server starts; a RuntimeError with what it wrote if it does not."""
    done = subprocess.run(  # noqa: S603 - the commands are the tests' own
        [str(word) for word in command],
        cwd=folder,
        user=user,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout.decode(errors='replace')}")


@define(eq=False, kw_only=True)
class Process:
    """A server in a folder of its own, which goes when it is stopped.

    It is also ended when the interpreter that started it ends; on Linux even if that is killed, provided that it was
    started from the main thread: the kernel ties it to the thread.
    """

    command: Sequence[str]
    folder: Path
    ready: Callable[[], bool]
    """Whether the server answers; it may raise OSError as long as it does not."""
    user: str | int | None = None
    """The user to run as, for servers that refuse root."""
    ending: signal.Signals = signal.SIGTERM
    """What ends it in good order, without waiting for its clients."""
    timeout: float = 30
    _popen: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _owner: int = field(factory=os.getpid, init=False)

    @staticmethod
    def new_folder() -> Path:
        """A folder for one server. Its name is short, since the path of a Unix socket may have about 100 bytes."""
        return Path(tempfile.mkdtemp(prefix="kairos-"))

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._popen is not None, "not started"
        return self._popen.pid

    def start(self) -> Self:
        """Start it (again) and wait until it answers. A RuntimeError with the end of its log if it does not."""
        self.launch()
        self.wait_until(self.ready)
        return self

    def launch(self) -> None:
        """Start it (again), without waiting."""
        guard = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.folder / "log").open("ab") as log:
            self._popen = subprocess.Popen(  # noqa: S603 - the commands are the tests' own
                [*guard, *self.command],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.user,
                start_new_session=True,  # Ctrl-C ends the tests first, and they end the server
            )
        atexit.register(self.stop)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the server brings about."""
        deadline = time.monotonic() + self.timeout
        while not _holds(condition):
            if self._popen is None or self._popen.poll() is not None or time.monotonic() > deadline:
                end = self.log()
                self.stop()
                raise RuntimeError(f"{self.command[0]} did not get ready; the end of its log:\n{end}")
            time.sleep(0.02)

    def log(self) -> str:
        """The end of what it wrote."""
        path = self.folder / "log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-30:]) if path.exists() else ""

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, as a crash would. Its folder stays, and `start` starts it again."""
        self._end(how)

    def stop(self) -> None:
        """End it and remove its folder. Does nothing in a child that was forked from the one who started it."""
        if os.getpid() == self._owner:
            atexit.unregister(self.stop)
            self._end(self.ending)
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self, how: signal.Signals) -> None:
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.send_signal(how)
        try:
            self._popen.wait(10)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except OSError:
        return False
