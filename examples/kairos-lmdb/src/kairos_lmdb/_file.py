"""The file: opened once per process, shared by its Timeseries, grown when it is full, opened anew after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import lmdb
from attrs import asdict, define, field, frozen

from kairos import BackendError, BackendUnavailable
from kairos.config import Positive

__all__ = ["File", "Options"]

T = TypeVar("T")
START = Positive(64 * 2**20)

# The transactions of a process take turns, since the file can grow only while none is open. A fork waits for its turn
# too, or the child would inherit half a transaction. Reentrant, since a custom fetch may call other verbs.
_TURN = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_TURN.acquire, after_in_parent=_TURN.release, after_in_child=_TURN.release)


@frozen(kw_only=True)
class Options:
    """``client_config``: the keywords of `lmdb.open` that a user may give."""

    map_size: Positive = START
    sync: bool = True


@define(eq=False)
class File:
    """An LMDB environment. A process must not open one twice, so all Timeseries on a path share one `File`."""

    path: Path
    options: Options
    users: WeakSet[Any] = field(factory=WeakSet)
    environment: Any = None
    database: Any = None

    @staticmethod
    def shared(path: Path, options: Options, user: object) -> File:
        """The one `File` of this process for a path. Nothing is opened before the first transaction."""
        file = _FILES.setdefault((path, options), File(path, options))
        file.users.add(user)
        return file

    def transaction(self, work: Callable[[Any], T], *, write: bool = False, create: bool = False) -> T | None:
        """Do work in a transaction, which is committed when it returns and undone when it raises. None if there is no
        database, unless ``create`` makes it.
        """
        with _TURN:
            try:
                while True:
                    try:
                        if not self._find(create=create):
                            return None
                        with self.environment.begin(self.database, write=write) as transaction:
                            return work(transaction)
                    except lmdb.MapFullError:  # all of the transaction is undone: do it again, with more room
                        self.environment.set_mapsize(2 * self.environment.info()["map_size"])
                    except lmdb.MapResizedError:  # another process has made room
                        self.environment.set_mapsize(0)
            except lmdb.Error as error:
                kind = BackendUnavailable if self.environment is None else BackendError
                raise kind(f"{self.path}: {error}") from error

    def _find(self, *, create: bool) -> bool:
        if self.environment is None:
            if not (create or self.path.exists()):
                return False
            self.environment = lmdb.open(str(self.path), subdir=False, max_dbs=1, **asdict(self.options))
        if self.database is None:
            try:
                self.database = self.environment.open_db(b"kairos", create=create)
            except lmdb.NotFoundError:
                return False
        return True

    def leave(self, user: object) -> None:
        """Close the environment, if nobody uses it any more."""
        with _TURN:
            self.users.discard(user)
            if not self.users:
                self.close()

    def close(self) -> None:
        """Close the environment; the next transaction opens one. In the child of a fork, where it is the parent's, this
        is called for each Timeseries.
        """
        if self.environment is not None:
            self.environment.close()
            self.environment = self.database = None


_FILES: dict[tuple[Path, Options], File] = {}
