"""Many statements at the same time, as one future."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from attrs import define, field

__all__ = ["Requests"]

# How many statements of one verb are under way at a time: enough to keep a node busy, few enough not to flood it.
_WIDTH = 64


@define(eq=False)
class _Request:
    """One statement that was sent. Its answer may come before the sender has turned away."""

    answered: bool = False
    left: bool = False


@define(eq=False)
class Requests:
    """Sends statements, a bounded number at a time, and follows the pages of each.

    ``future`` gives the rows of each statement. The first error stops the sending; it is raised when no statement is
    under way any more, so that nothing of a failed write arrives later. `done` counts what was carried out.
    """

    execute: Callable[[Any], Any]
    """The driver's ``execute_async``."""
    statements: Sequence[Any]
    future: Future[list[list[Any]]] = field(factory=Future, init=False)
    done: int = field(default=0, init=False)
    _rows: list[list[Any]] = field(init=False)
    _next: int = field(default=0, init=False)
    _running: int = field(default=0, init=False)
    _error: BaseException | None = field(default=None, init=False)
    _stopped: bool = field(default=False, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    @_rows.default
    def _empty(self) -> list[list[Any]]:
        return [[] for _ in self.statements]

    def start(self) -> Future[list[list[Any]]]:
        """Begin; whoever cancels the future only stops waiting for it."""
        self.future.set_running_or_notify_cancel()
        if not self.statements:
            self.future.set_result([])
        for _ in range(min(_WIDTH, len(self.statements))):
            self._advance()
        return self.future

    def stop(self) -> None:
        """Send nothing more."""
        with self._lock:
            self._stopped = True

    def _advance(self) -> None:
        """Send the next statement; if its answer is there at once, the one after it too, without recursion."""
        while (index := self._take()) is not None:
            request = _Request()
            try:
                future = self.execute(self.statements[index])
                future.add_callbacks(
                    self._page, self._failed, callback_args=(index, future, request), errback_args=(request,)
                )
            except Exception as error:  # noqa: BLE001 - it is raised where the future is waited for
                self._failed(error, request)
            with self._lock:
                request.left = True
                if not request.answered:
                    return

    def _take(self) -> int | None:
        with self._lock:
            if self._stopped or self._error is not None or self._next == len(self.statements):
                return None
            self._running += 1
            self._next += 1
            return self._next - 1

    # The driver drops what a callback raises: nothing may leave these two.

    def _page(self, rows: Any, index: int, future: Any, request: _Request) -> None:
        try:
            if rows:
                self._rows[index].extend(rows)
            if future.has_more_pages:
                future.start_fetching_next_page()
                return
        except Exception as error:  # noqa: BLE001 - as above
            self._failed(error, request)
        else:
            self._ended(None, request)

    def _failed(self, error: BaseException, request: _Request) -> None:
        self._ended(error, request)

    def _ended(self, error: BaseException | None, request: _Request) -> None:
        with self._lock:
            self._running -= 1
            if error is None:
                self.done += 1
            elif self._error is None:
                self._error = error
            over = self._stopped or self._error is not None or self._next == len(self.statements)
            settled = over and not self._running
            request.answered = True
            further = request.left
        if settled:
            if self._error is not None:
                self.future.set_exception(self._error)
            else:
                self.future.set_result(self._rows)
        elif further:
            self._advance()
