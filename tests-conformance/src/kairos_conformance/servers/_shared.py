"""One server for all processes of a test run, for servers that are too large for one per worker of pytest-xdist."""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TextIO

from attrs import define, field

from kairos_conformance.servers._process import Missing

__all__ = ["Shared", "shared"]

_KEEPER = "import sys; from {here} import keep; from {module} import {start}; keep({start}, sys.argv[1])"


class _Running(AbstractContextManager["_Running"], Protocol):
    @property
    def url(self) -> str: ...


@define(eq=False, kw_only=True)
class Shared:
    """A server of this test run, which a process of its own keeps."""

    url: str
    _lock: TextIO = field()
    _keeper: subprocess.Popen[str] | None = field()

    def __attrs_post_init__(self) -> None:
        """Live as long as this process, whoever else keeps this value."""
        atexit.register(self._release)

    def _release(self) -> None:
        self._lock.close()


def shared(start: Callable[[], _Running]) -> Shared:
    """The server of this test run: the first process that asks starts it, and with the last one it ends.

    ``start`` is a function of a module. It is called in a process of its own, the keeper. Each process that uses the
    server holds a lock, for as long as it lives, and the keeper waits until nobody does. So it does not matter which
    of them ends first, nor how.
    """
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    path = Path(tempfile.gettempdir(), f"kairos-{run}-{start.__name__}")
    while True:
        lock = path.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            first = True
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)
            first = False
        lock.seek(0)
        url, keeper = lock.read(), None
        if os.fstat(lock.fileno()).st_nlink and (url or first):
            if not url:
                keeper, url = _start(start, path, lock)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if keeper is not None:
                assert keeper.stdin is not None
                keeper.stdin.close()  # from now on it waits for the lock
            return Shared(url=url, lock=lock, keeper=keeper)
        lock.close()  # that one has just ended, or did not start


def _start(start: Callable[[], _Running], path: Path, lock: TextIO) -> tuple[subprocess.Popen[str], str]:
    script = _KEEPER.format(here=__name__, module=start.__module__, start=start.__name__)
    keeper = subprocess.Popen(  # noqa: S603 - Python, and a script of ours
        [sys.executable, "-c", script, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # Ctrl-C ends the tests, and that ends it
    )
    assert keeper.stdout is not None
    with keeper.stdout as output:
        first = output.readline()
        if first.startswith("{"):
            said = json.loads(first)
            if "url" in said:
                lock.write(said["url"])
                lock.flush()
                return keeper, said["url"]
            error: Exception = Missing(said["missing"])
        else:
            error = RuntimeError(first + output.read())
    keeper.communicate()
    path.unlink()
    lock.close()
    raise error


def keep(start: Callable[[], _Running], path: str) -> None:
    """Keep a server as long as somebody uses it: what the keeper does."""
    try:
        with start() as server, Path(path).open() as lock:
            print(json.dumps({"url": server.url}), flush=True)  # noqa: T201 - that is how it tells
            sys.stdin.read()
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(path).unlink()
    except Missing as error:
        print(json.dumps({"missing": str(error)}))  # noqa: T201
