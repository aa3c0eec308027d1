"""Engines: opening one from a URL, and telling whether one of the user's fits."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import sqlalchemy as sa
from sqlalchemy import event, exc, pool

from kairos.errors import BackendError, BackendNotFound, ConfigurationError
from kairos.urls import redact
from kairos_sql._dialects import dialect_of

__all__ = [
    "AnyEngine",
    "check_engine",
    "check_file",
    "commits_itself",
    "in_memory",
    "open_engine",
    "sync_engine",
    "where",
]

AnyEngine: TypeAlias = Any
"""An Engine or an AsyncEngine. The latter is imported only by who uses it, since it brings the whole ORM."""

# How long a connection to a file waits for another process that writes, in seconds.
_BUSY_TIMEOUT = 30


def sync_engine(engine: AnyEngine) -> sa.Engine:
    """The Engine itself, or the one inside of an AsyncEngine."""
    return cast("sa.Engine", getattr(engine, "sync_engine", engine))


def where(engine: AnyEngine) -> str:
    """The URL, without its secrets."""
    return redact(sync_engine(engine).url.render_as_string(hide_password=True))


def in_memory(url: sa.URL) -> bool:
    """Whether this is a SQLite database that lives in one connection."""
    if url.get_backend_name() != "sqlite":
        return False
    database = (url.database or "").removeprefix("file:")
    return database in {"", ":memory:"} or url.query.get("mode") == "memory"


def commits_itself(engine: AnyEngine) -> bool:
    """Whether each statement on its connections is a transaction by itself."""
    found = sync_engine(engine)
    levels = (
        found.get_execution_options().get("isolation_level"),
        getattr(found.dialect, "_on_connect_isolation_level", None),
    )
    return "AUTOCOMMIT" in levels


def check_file(engine: AnyEngine) -> None:
    """Refuse a file of SQLite that is not there: to connect would make it."""
    url = sync_engine(engine).url
    if url.get_backend_name() == "sqlite" and not in_memory(url):
        path = str(url.database)
        if not path.startswith("file:") and not Path(path).exists():
            raise BackendError(f"{where(engine)}: there is no such file")


def check_engine(target: object, *, asynchronous: bool) -> None:
    """Refuse what is no engine, an engine of the other colour, and one that cannot write a batch as a whole."""
    name = f"{type(target).__module__}.{type(target).__qualname__}"
    blocking = isinstance(target, sa.Engine)
    loaded = sys.modules.get("sqlalchemy.ext.asyncio")  # who has an AsyncEngine has it loaded
    if not (blocking or (loaded and isinstance(target, loaded.AsyncEngine))):
        raise ConfigurationError(f"client: expected a URL, an Engine or an AsyncEngine, not {name}")
    if blocking is asynchronous:
        expected, colour = ("AsyncEngine", "AsyncTimeseries") if asynchronous else ("Engine", "Timeseries")
        raise ConfigurationError(f"client: {colour} needs an {expected}, not {name}")
    engine = sync_engine(target)
    dialect_of(engine.dialect.name)
    if commits_itself(target):
        raise ConfigurationError(
            "client: an engine in AUTOCOMMIT writes no batch as a whole; give it without this isolation_level"
        )


def open_engine(text: str, client_config: Mapping[str, Any], *, asynchronous: bool) -> AnyEngine:
    """The engine for a URL; ``client_config`` are keywords of create_engine. Connects to nothing."""
    url = _url(text, asynchronous=asynchronous)
    keywords = _keywords(url, client_config, asynchronous=asynchronous)
    make: Any = sa.create_engine
    try:
        if asynchronous:
            from sqlalchemy.ext.asyncio import create_async_engine as make  # noqa: PLC0415 - large, and not for all
        engine = make(url, **keywords)
    except ImportError as error:
        raise BackendNotFound(
            f"the driver for {redact(text)} is not installed: {error}; try: pip install 'kairos-sql[{_extras(url)}]'"
        ) from error
    except (TypeError, ValueError, exc.ArgumentError) as error:
        key = "client_config" if client_config else "client"
        raise ConfigurationError(f"{key}: {redact(str(error))}") from error
    if url.get_backend_name() in {"mysql", "mariadb"}:
        event.listen(sync_engine(engine), "connect", _be_strict)
    if url.get_backend_name() == "sqlite":
        event.listen(sync_engine(engine), "handle_error", _keep_connection)
        if not in_memory(url):
            event.listen(sync_engine(engine), "connect", _use_wal)
    return engine


def _extras(url: sa.URL) -> str:
    extra = dialect_of(url.get_backend_name()).extra
    return f"{extra},asyncio" if url.get_dialect().is_async and extra != "asyncio" else extra


def _url(text: str, *, asynchronous: bool) -> sa.URL:
    try:
        url = sa.make_url(text)
        own = dialect_of(url.get_backend_name())
        named = own.drivers[asynchronous]
        if "+" not in url.drivername and named is not None:
            url = url.set(drivername=f"{url.drivername}+{named}")
        driver = url.get_dialect()
        if asynchronous:
            driver = driver.get_async_dialect_cls(url)  # psycopg serves both colours under one name
    except exc.ArgumentError as error:
        raise ConfigurationError(f"client: {redact(str(error))}") from error
    if driver.is_async is not asynchronous:
        colour, kind = ("AsyncTimeseries", "an asynchronous") if asynchronous else ("Timeseries", "a blocking")
        raise ConfigurationError(f"client: {colour} needs {kind} driver, which {url.drivername} is not")
    return url


def _keywords(url: sa.URL, client_config: Mapping[str, Any], *, asynchronous: bool) -> dict[str, Any]:
    keywords: dict[str, Any] = dict(client_config)
    connect_args: dict[str, Any] = {}
    if in_memory(url):
        # One connection, which a thread has for itself while it uses it: so all threads see one database, and none
        # sees, or rolls back, half of what another one does.
        connect_args["check_same_thread"] = False
        if "poolclass" not in keywords:
            keywords["poolclass"] = pool.AsyncAdaptedQueuePool if asynchronous else pool.QueuePool
            keywords |= {"pool_size": 1, "max_overflow": 0}
    elif url.get_backend_name() == "sqlite" and "timeout" not in url.query:
        connect_args["timeout"] = _BUSY_TIMEOUT
    if dialect_of(url.get_backend_name()).autocommits:
        # Each ROLLBACK would be a round trip for nothing: a verb leaves no transaction open.
        defaults: dict[str, Any] = {
            "isolation_level": "AUTOCOMMIT",
            "skip_autocommit_rollback": True,
            "pool_reset_on_return": None,
        }
        if getattr(url.get_dialect(), "default_paramstyle", None) in {"format", "pyformat"}:
            # By name, SQLAlchemy's choice where a driver takes both, each statement would need a dict.
            defaults["paramstyle"] = "format"
        keywords = defaults | keywords
    if connect_args:
        keywords["connect_args"] = connect_args | dict(keywords.get("connect_args", {}))
    return keywords


def _keep_connection(context: sa.engine.ExceptionContext) -> None:
    """SQLAlchemy closes a connection whose statement was interrupted, by Ctrl-C for instance. A database in memory
    would be lost with it; one in a file would stay locked as long as a traceback refers to the cursor, since SQLite
    closes only after the last statement. Rolled back it is as good as before.
    """
    if not isinstance(context.original_exception, Exception):
        context.is_disconnect = False


def _be_strict(connection: Any, _: object) -> None:
    """What does not fit its column is an error, whatever the server is set to."""
    cursor = connection.cursor()
    cursor.execute("SET SESSION sql_mode = CONCAT_WS(',', NULLIF(@@sql_mode, ''), 'STRICT_ALL_TABLES')")
    cursor.close()


def _use_wal(connection: Any, _: object) -> None:
    """Readers and the writer of a file in WAL mode do not wait for each other. ``synchronous`` stays FULL, SQLite's
    default: what was written survives a power cut.
    """
    cursor = connection.cursor()
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error:
        pass  # a read-only file, or no database: the statement that follows fails, if that matters to it
    finally:
        cursor.close()
