"""The keywords of a constructor that only this backend knows, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, frozen
from cassandra import ConsistencyLevel

from kairos.backend import StoreConfig
from kairos.config import Positive, structure
from kairos.errors import ConfigurationError
from kairos.values import is_positive_int, show

__all__ = ["CassandraOptions", "identifier", "make_options", "replication", "table_properties"]

DEFAULT_KEYSPACE = "kairos"
# Cassandra takes 48 letters; the longest name of ours is the table's with "_generations" after it.
_KEYSPACE_LENGTH, _TABLE_LENGTH = 48, 36
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_LEVELS = ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "LOCAL_ONE")
# How many values kairos takes a bucket to hold, where nobody says: a count and a gauge hold one by their nature.
_ROWS_PER_CELL = Positive(10)


@frozen(kw_only=True)
class CassandraOptions:
    """What a user may say, by keyword or (all but the table's) in the URL.

    ``keyspace`` is that of the URL or the session, else ``kairos``. ``table_name`` is ``kairos_<type>``; the tables of
    names and generations are called after it. ``table_options`` are properties of the table, for when it is made.
    ``consistency`` is LOCAL_QUORUM; ``read_consistency`` and ``write_consistency`` go before it. ``create_keyspace``
    makes a missing keyspace with so many replicas: a number, or ``{data centre: number}``. ``rows_per_cell`` says how
    many values a bucket of a series, histogram or set holds, for the size of partitions.
    """

    keyspace: str | None = None
    table_name: str | None = None
    table_options: Any = None
    consistency: str = "LOCAL_QUORUM"
    read_consistency: str | None = None
    write_consistency: str | None = None
    create_keyspace: Any = None
    rows_per_cell: Positive = _ROWS_PER_CELL

    @property
    def read_level(self) -> int:
        """The driver's number for the consistency of reads."""
        return int(getattr(ConsistencyLevel, self.read_consistency or self.consistency))

    @property
    def write_level(self) -> int:
        """The driver's number for the consistency of writes."""
        return int(getattr(ConsistencyLevel, self.write_consistency or self.consistency))


def make_options(config: StoreConfig, url: Mapping[str, Any], keyspace: str | None) -> CassandraOptions:
    """The keywords over those of the URL, checked; a wrong or unknown one is a `ConfigurationError` that names it.
    ``keyspace`` is what the URL or the session names.
    """
    options = structure(CassandraOptions, {**url, **config.options})
    options = evolve(
        options,
        keyspace=options.keyspace or keyspace or DEFAULT_KEYSPACE,
        table_name=f"kairos_{config.type}" if options.table_name is None else options.table_name,
    )
    identifier("keyspace", options.keyspace, _KEYSPACE_LENGTH)
    identifier("table_name", options.table_name, _TABLE_LENGTH)
    for key in ("consistency", "read_consistency", "write_consistency"):
        level = getattr(options, key)
        if level is not None and level not in _LEVELS:
            raise ConfigurationError(f"{key}: expected one of {', '.join(_LEVELS)}, not {show(level)}")
    table_properties(options.table_options)
    if options.create_keyspace is not None:
        replication(options.create_keyspace)
    return options


def identifier(key: str, name: object, length: int) -> None:
    """Refuse what cannot be the name of a keyspace or a table."""
    if not isinstance(name, str) or not _IDENTIFIER.fullmatch(name) or len(name) > length:
        raise ConfigurationError(
            f"{key}: expected a letter, then letters, digits and _, {length} at most, not {show(name)}"
        )


# --- CQL literals ---------------------------------------------------------------------------------------------------


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _literal(value: str | float) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _map(entries: Mapping[str, str | float]) -> str:
    return "{" + ", ".join(f"{_text(key)}: {_literal(value)}" for key, value in entries.items()) + "}"


def replication(given: object) -> str:
    """The CQL of the replication that ``create_keyspace`` asks for."""
    copies: Mapping[Any, Any] = given if isinstance(given, Mapping) else {"replication_factor": given}
    if not copies or not all(isinstance(key, str) and is_positive_int(number) for key, number in copies.items()):
        raise ConfigurationError(
            f"create_keyspace: expected a number of replicas, or {{data centre: number}}, not {show(given)}"
        )
    return _map({"class": "NetworkTopologyStrategy", **copies})


_NUMBERS: Mapping[str, type[int | float]] = {
    "bloom_filter_fp_chance": float,
    "crc_check_chance": float,
    "gc_grace_seconds": int,
    "max_index_interval": int,
    "memtable_flush_period_in_ms": int,
    "min_index_interval": int,
}
_TEXTS = frozenset({"additional_write_policy", "comment", "memtable", "read_repair", "speculative_retry"})
_MAPS = frozenset({"caching", "compaction", "compression"})


def table_properties(given: object) -> list[str]:
    """The CQL of the properties that ``table_options`` asks for, each ``name = value``. Everything is a literal of its
    type, so that no text can become CQL.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"table_options: expected a mapping, not {show(given)}")
    return [f"{key} = {_property(key, value)}" for key, value in given.items()]


def _property(key: object, value: Any) -> str:
    path = f"table_options[{show(key)}]"
    if key in _NUMBERS:
        kind = _NUMBERS[str(key)]
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or not 0 <= value < 2**31:
            raise ConfigurationError(f"{path}: expected a {kind.__name__} from 0 on, not {show(value)}")
        return repr(value)
    if key in _TEXTS:
        if not isinstance(value, str):
            raise ConfigurationError(f"{path}: expected a str, not {show(value)}")
        return _text(value)
    if key == "cdc":
        if not isinstance(value, bool):
            raise ConfigurationError(f"{path}: expected True or False, not {show(value)}")
        return _literal(value)
    if key in _MAPS:
        if not isinstance(value, Mapping) or not all(
            isinstance(name, str) and isinstance(entry, (str, int, float)) for name, entry in value.items()
        ):
            raise ConfigurationError(f"{path}: expected a mapping of str to str, number or bool, not {show(value)}")
        return _map(value)
    known = ", ".join(sorted({*_NUMBERS, *_TEXTS, *_MAPS, "cdc"}))
    raise ConfigurationError(f"{path}: unknown option; known are {known}")
