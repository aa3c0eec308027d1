"""Clients: opening one from a URL, and telling whether one of the user's fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from pymongo import AsyncMongoClient, MongoClient, errors
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.uri_parser import split_options

from kairos.errors import ConfigurationError, InvalidValue
from kairos.urls import redact
from kairos.values import show

__all__ = ["AnyDatabase", "check_session", "database_of", "open_client"]

AnyDatabase: TypeAlias = Any
"""A Database or an AsyncDatabase; their methods have the same names."""
DEFAULT = "kairos"


def open_client(url: str, client_config: Mapping[str, Any], *, asynchronous: bool) -> tuple[Any, Callable[[], Any]]:
    """The client for a URL, and what makes another one. It connects at the first verb; what is wrong with the URL is
    reported now.
    """
    factory: Any = AsyncMongoClient if asynchronous else MongoClient
    keywords = {**client_config, "connect": False}

    def make() -> Any:
        return factory(url, **keywords)

    try:
        # The client only warns of an option that it does not know, and goes on without it.
        if query := url.partition("?")[2]:
            split_options(query, validate=True, warn=False)
        return make(), make
    except (errors.PyMongoError, ValueError, TypeError) as error:
        key = "client" if not client_config else "client or client_config"
        raise ConfigurationError(f"{key}: {_without_secrets(str(error), url)}") from None


def _without_secrets(text: str, url: str) -> str:
    """The driver's words, unless they hold a piece of the user or the password: where a URL is wrong, PyMongo may take
    one for a host or a database.
    """
    user = url.partition("://")[2].rpartition("@")[0]
    if any(piece in text for piece in re.split(r"\W+", user) if piece):
        return "this URL is not valid; a user and a password in it must be escaped, as by urllib.parse.quote_plus"
    return redact(text)


def database_of(target: Any, named: str | None, *, asynchronous: bool) -> AnyDatabase:
    """The database of a client, or the one that was given as such."""
    client_class, database_class = (AsyncMongoClient, AsyncDatabase) if asynchronous else (MongoClient, Database)
    if isinstance(target, database_class):
        if named is not None:
            raise ConfigurationError(f"database: the client is the database {target.name!r} already")
        return target
    if not isinstance(target, client_class):
        colour = "AsyncTimeseries" if asynchronous else "Timeseries"
        raise ConfigurationError(
            f"client: {colour} needs a URL, {_an(client_class)} or {_an(database_class)}, not "
            f"{type(target).__module__}.{type(target).__qualname__}"
        )
    try:
        return target[named] if named is not None else target.get_default_database(DEFAULT)
    except errors.InvalidName as error:
        raise ConfigurationError(f"database: {show(named)}: {error}") from None


def _an(cls: type) -> str:
    return f"{'an' if cls.__name__.startswith('A') else 'a'} {cls.__name__}"


def check_session(session: Any, database: AnyDatabase, *, asynchronous: bool) -> Any:
    """A session that may be used here, or an `InvalidValue`."""
    if session is None:
        return None
    expected = AsyncClientSession if asynchronous else ClientSession
    if not isinstance(session, expected):
        raise InvalidValue(f"session: expected {_an(expected)}, not {show(session)}")
    if session.client is not database.client:
        raise InvalidValue("session: it belongs to another client than this Timeseries")
    if session.has_ended:
        raise InvalidValue("session: it has ended")
    return session
