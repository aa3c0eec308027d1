"""The keywords that only this backend knows, and the name of the collection."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from kairos.backend import StoreConfig
from kairos.errors import ConfigurationError
from kairos.values import show

__all__ = ["MongoOptions", "VerbOptions", "collection_name"]

# MongoDB's own limit of "database.collection", in bytes of UTF-8.
_NAMESPACE = 255


@frozen(kw_only=True)
class MongoOptions:
    """What a user may say about where the data is.

    ``database`` is by default the one that the URL or the client names, else ``kairos``; a Database as the client is
    named already. ``collection`` is ``kairos_<type>`` by default. A prefix is appended to it.
    """

    database: str | None = None
    collection: str | None = None


@frozen(kw_only=True)
class VerbOptions:
    """The extra keyword of every verb: a session of the client, to read one's own writes or for a transaction."""

    session: Any = None


def collection_name(config: StoreConfig, options: MongoOptions, database: str) -> str:
    """The collection of a namespace: different for different prefixes, whatever they hold."""
    base = f"kairos_{config.type}" if options.collection is None else options.collection
    if (
        not base
        or base.startswith((".", "system."))
        or base.endswith(".")
        or any(bad in base for bad in ("..", "$", "\0"))
    ):
        raise ConfigurationError(f"collection: {show(base)} is not a name that MongoDB allows for a collection")
    name = f"{base}_{_escaped(config.prefix)}" if config.prefix else base
    if (length := len(f"{database}.{name}".encode())) > _NAMESPACE:
        key = "prefix" if config.prefix else "collection"
        raise ConfigurationError(
            f"{key}: '{database}.{name}' is {length} bytes long; MongoDB takes {_NAMESPACE} for the name of a database "
            "and a collection"
        )
    return name


def _escaped(prefix: str) -> str:
    """What a collection's name may not hold, or only in places, as ``%`` and two digits."""
    for character in "%.$":
        prefix = prefix.replace(character, f"%{ord(character):02X}")
    return prefix
