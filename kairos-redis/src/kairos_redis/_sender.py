"""Commands on their way to the server, and the replies on their way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import iscoroutine
from typing import Any

from attrs import frozen

from kairos.backend import Flow
from kairos.errors import InvalidValue
from kairos_redis._clients import Client
from kairos_redis._scripts import Command, Script

__all__ = ["Sender"]


@frozen
class Sender:
    """Sends through a client. ``scripts``: by their digests, those that it may have to send in full."""

    client: Client
    scripts: Mapping[bytes, Script]

    def send(self, commands: Sequence[Command], *, writing: bool = False, partly: bool = False) -> Flow[list[Any]]:
        """The replies of commands, sent together. A script that the server does not know is sent again in full: it
        has not been carried out. The first error of a reply is raised, after all have come in. ``partly``: one command
        may fail after it has written something.
        """
        replies = yield from self._wave(commands, writing=writing)
        errors = self.client.errors
        failed = [at for at, reply in enumerate(replies) if isinstance(reply, Exception)]
        unknown = [at for at in failed if isinstance(replies[at], errors.named.NoScriptError)]
        if unknown:
            again = [self.scripts[commands[at][1]].in_full(commands[at]) for at in unknown]
            for at, reply in zip(unknown, (yield from self._wave(again, writing=writing)), strict=True):
                replies[at] = reply
        for at in failed:
            if isinstance(reply := replies[at], Exception):
                key = None if commands[at][0] == "EVALSHA" else commands[at][1]  # a script has named it
                raise errors.translated(reply, unknown=writing and (partly or len(commands) > 1), key=key) from reply
        return replies

    def _wave(self, commands: Sequence[Command], *, writing: bool) -> Flow[list[Any]]:
        if not commands:
            return []
        errors = self.client.errors
        sent = False
        try:
            client = self.client.get()
            sent = True
            raw = {"NEVER_DECODE": True} if not writing and self.client.decodes else {}
            if len(commands) == 1:
                return [(yield client.execute_command(*commands[0], **raw))]
            if self.client.clustered and not self.client.asynchronous:
                return self._to_nodes(client, commands, raw)
            pipe = self.client.pipeline()
            for command in commands:
                pipe.execute_command(*command, **raw)
            replies: list[Any] = yield pipe.execute(raise_on_error=False)
        except errors.every as error:
            if errors.replied(error):
                return [error] * len(commands)
            # Of several nodes one may have carried out its commands before another one could not be reached. (Blocking
            # clients connect to all of them first.)
            several = self.client.clustered and self.client.asynchronous and len(commands) > 1
            unknown = writing and sent and (several or self.client.repeats or not errors.unconnected(error))
            raise errors.translated(error, unknown=unknown) from error
        return replies

    def _to_nodes(self, client: Any, commands: Sequence[Command], raw: Mapping[str, Any]) -> list[Any]:
        """As the blocking pipeline of a cluster does it, without its repeating each command whose reply was lost. What
        another node should have been asked for has not been carried out, and is sent there one by one.
        """
        named = self.client.errors.named
        queued = import_module(f"{self.client.errors.package}.cluster").PipelineCommand
        stack = [queued(command, dict(raw), at) for at, command in enumerate(commands)]
        replies: list[Any] = client.pipeline().send_cluster_commands(
            stack, raise_on_error=False, allow_redirections=False
        )
        for at, reply in enumerate(replies):
            if isinstance(reply, (named.AskError, named.TryAgainError)):
                try:
                    replies[at] = client.execute_command(*commands[at], **raw)
                except self.client.errors.every as error:
                    replies[at] = error
        return replies

    def fetch(self, fetch: Callable[..., Any], keys: Sequence[bytes]) -> Flow[list[Any]]:
        """What a custom fetch queues for each key, sent together."""
        errors = self.client.errors
        try:
            pipe = self.client.pipeline()
        except errors.every as error:
            raise errors.translated(error, unknown=False) from error
        for number, key in enumerate(keys, start=1):
            queued = fetch(pipe, key.decode())
            if iscoroutine(queued):
                yield queued  # never the pipeline: awaiting one of a cluster empties it
            if len(pipe) != number:
                raise InvalidValue(f"fetch: it must queue exactly one command for each key, and did not for {key!r}")
        try:
            replies: list[Any] = yield pipe.execute(raise_on_error=False)
        except errors.every as error:
            raise errors.translated(error, unknown=True) from error
        for key, reply in zip(keys, replies, strict=True):
            if isinstance(reply, Exception):
                raise errors.translated(reply, unknown=True, key=key) from reply
        return replies
