"""From a URL to a way to make the driver's Cluster, without any I/O."""

from __future__ import annotations

import inspect
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from attrs import define, field, frozen
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy

from kairos.errors import ConfigurationError
from kairos.values import is_positive_int, show

__all__ = ["Recipe", "recipe"]

_PORT = 9042
# Of the native protocol: every Cassandra since 2.2 knows it. Left to itself, the driver tries three newer ones first.
_PROTOCOL = 4
# How long to wait for a connection, and for an answer, in seconds.
_PATIENCE = 10.0
_HOST = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+)(?::(?P<port>\d{1,5}))?")
# The parameters that are keywords of the constructor too.
_KEYWORDS = ("consistency", "read_consistency", "write_consistency")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@frozen
class Recipe:
    """How to make a Cluster whose sessions read at a consistency level, and what else the URL says: the keyspace, and
    keywords of the constructor.
    """

    make: Callable[[int], Cluster]
    keyspace: str | None
    options: Mapping[str, Any]


@define
class _Parameters:
    """The query of a URL, taken apart piece by piece."""

    left: dict[str, str] = field(factory=dict)

    @classmethod
    def parse(cls, query: str) -> _Parameters:
        found = cls()
        for key, value in parse_qsl(query, keep_blank_values=True):
            if key in found.left:
                raise ConfigurationError(f"client: the URL says {show(key)} twice")
            found.left[key] = value
        return found

    def check_empty(self) -> None:
        """Refuse what nobody has asked for."""
        if self.left:
            raise ConfigurationError(f"client: unknown in the URL: {', '.join(map(show, sorted(self.left)))}")

    def boolean(self, key: str, default: bool) -> bool:  # noqa: FBT001 - a value among others
        text = self.left.pop(key, None)
        if text is None:
            return default
        if text.lower() not in _BOOLEANS:
            raise ConfigurationError(f"client: {key} in the URL: expected true or false")
        return _BOOLEANS[text.lower()]

    def seconds(self, key: str, default: float | None) -> float | None:
        text = self.left.pop(key, None)
        if text is None:
            return default
        if not re.fullmatch(r"\d+(\.\d+)?", text) or not float(text):
            raise ConfigurationError(f"client: {key} in the URL: expected seconds above zero")
        return float(text)


def recipe(url: str, client_config: Mapping[str, Any]) -> Recipe:
    """Check a URL and the keywords for Cluster. What is wrong is a `ConfigurationError` that shows no URL.

    ``cassandra://user:password@host1,host2:9042/keyspace?consistency=QUORUM``; the parameters are ``consistency``,
    ``read_consistency``, ``write_consistency``, ``create_keyspace`` (a number of replicas, or ``dc1:3,dc2:2``),
    ``local_dc``, ``timeout`` and ``connect_timeout`` (seconds), and ``ssl``, ``ssl_ca``, ``ssl_cert``, ``ssl_key``,
    ``ssl_verify``.
    """
    _, mark, rest = url.partition("://")
    if not mark:
        raise ConfigurationError("client: expected cassandra://hosts/keyspace")
    rest, _, query = rest.partition("?")
    user, at, rest = rest.rpartition("@")
    hosts, _, path = rest.partition("/")
    parameters = _Parameters.parse(query)
    options: dict[str, Any] = {key: parameters.left.pop(key) for key in _KEYWORDS if key in parameters.left}
    if (copies := parameters.left.pop("create_keyspace", None)) is not None:
        options["create_keyspace"] = _copies(copies)
    points, port = _addresses(hosts)
    keywords: dict[str, Any] = {"contact_points": points, "port": port, "protocol_version": _PROTOCOL}
    if at:
        name, _, password = user.partition(":")
        keywords["auth_provider"] = PlainTextAuthProvider(unquote(name), unquote(password))
    waiting = parameters.seconds("connect_timeout", _PATIENCE)
    keywords |= {"connect_timeout": waiting, "control_connection_timeout": waiting}
    if (context := _ssl_context(parameters)) is not None:
        keywords["ssl_context"] = context
    local, timeout = parameters.left.pop("local_dc", None), parameters.seconds("timeout", _PATIENCE)
    parameters.check_empty()
    _check_keywords(client_config)
    keywords |= client_config

    def make(consistency: int) -> Cluster:
        made = dict(keywords)
        if not {"execution_profiles", "load_balancing_policy", "default_retry_policy"} & made.keys():
            # Made with each Cluster, since a policy belongs to one.
            policy = TokenAwarePolicy(DCAwareRoundRobinPolicy(local or ""))
            made["execution_profiles"] = {
                EXEC_PROFILE_DEFAULT: ExecutionProfile(
                    load_balancing_policy=policy, request_timeout=timeout, consistency_level=consistency
                )
            }
        try:
            return Cluster(**made)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"client_config: {error}") from error

    return Recipe(make, unquote(path) or None, options)


def _check_keywords(client_config: Mapping[str, Any]) -> None:
    known = inspect.signature(Cluster.__init__).parameters
    for key in client_config:
        if key not in known:
            raise ConfigurationError(f"client_config: Cluster has no keyword {show(key)}")


def _addresses(hosts: str) -> tuple[list[tuple[str, int]], int]:
    """The contact points, and the port of the nodes that they tell of."""
    found: list[tuple[str, int | None]] = []
    for part in hosts.split(","):
        match = _HOST.fullmatch(part)
        if match is None or int(match["port"] or 1) not in range(1, 65_536):
            raise ConfigurationError("client: a Cassandra URL lists host:port,host:port; one of these is neither")
        found.append((match["host"].strip("[]"), int(match["port"]) if match["port"] else None))
    named = [port for _, port in found if port is not None]
    port = named[-1] if named else _PORT
    return [(host, port if own is None else own) for host, own in found], port


def _copies(text: str) -> Any:
    if text.isdecimal():
        return int(text)
    copies: dict[str, int] = {}
    for part in text.split(","):
        centre, _, number = part.partition(":")
        if not centre or not number.isdecimal() or not is_positive_int(int(number)):
            raise ConfigurationError(
                "client: create_keyspace in the URL: expected a number of replicas, or dc1:3,dc2:2"
            )
        copies[centre] = int(number)
    return copies


def _ssl_context(parameters: _Parameters) -> ssl.SSLContext | None:
    files = {key: parameters.left.pop(key) for key in ("ssl_ca", "ssl_cert", "ssl_key") if key in parameters.left}
    verify = parameters.boolean("ssl_verify", default=True)
    if not parameters.boolean("ssl", default=bool(files) or not verify):
        if files or not verify:
            raise ConfigurationError("client: the URL says ssl=false, and more about TLS")
        return None
    try:
        context = ssl.create_default_context(cafile=files.get("ssl_ca"))
        if not verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if "ssl_cert" in files:
            context.load_cert_chain(files["ssl_cert"], files.get("ssl_key"))
    except OSError as error:
        raise ConfigurationError(f"client: a file that the URL names for TLS: {error}") from error
    return context
