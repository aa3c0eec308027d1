"""Who gives a server to a test, and what happens if there is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import pytest
from attrs import define, field

from kairos_conformance._harness import Harness
from kairos_conformance.servers._process import Missing

__all__ = ["Lasting", "Server", "ServerHarness", "refuse"]


class Server(Protocol):
    """What a test needs to know of a server."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...


S = TypeVar("S", bound=Server)


def refuse(reason: str, environment: str = "") -> None:
    """Skip a test whose server is missing; fail it under ``CI``, or if a variable says that the server is there."""
    demanded = os.environ.get(environment) or os.environ.get("CI", "").lower() in {"1", "true"}
    (pytest.fail if demanded else pytest.skip)(reason)


@define(eq=False)
class Lasting(Generic[S]):
    """A server that starts when the first test of this process asks for it, and lasts as long as the process."""

    start: Callable[[], S]
    _found: S | None = field(default=None, init=False)
    _reason: str | None = field(default=None, init=False)

    def missing(self) -> str | None:
        """Why it cannot be started, in one line; None if it runs."""
        if self._found is None and self._reason is None:
            try:
                self._found = self.start()
            except Missing as error:
                self._reason = str(error)
        return self._reason

    def demand(self) -> S:
        """The server, running, or the test is skipped (or failed, see `refuse`)."""
        if reason := self.missing():
            refuse(reason)
        assert self._found is not None
        return self._found


class ServerHarness(Harness):
    """A store on a lasting server; where the variable ``environment`` is set, on the server at that URL.

    ``to_url`` makes the URL for the tests out of that of the server, to add a database or options.
    """

    def __init__(
        self, server: Lasting[Any], environment: str, *, to_url: Callable[[str], str] = str, **attributes: Any
    ) -> None:
        super().__init__(environment=environment, **attributes)
        self.server = server
        self.to_url = to_url

    def missing(self) -> str | None:
        if self.url is None:
            given = os.environ.get(self.environment or "")
            if given:
                self.url = self.to_url(given)
            elif (reason := self.server.missing()) is not None:
                return reason
            else:
                self.url = self.to_url(self.server.demand().url)
        return None
