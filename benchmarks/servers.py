"""PostgreSQL and MariaDB: the best upserts that we can write by hand, on the same driver and server, and kairos.

All keep the same rows under the same keys, in tables that kairos's own `metadata()` describes. The hand-written code is
that of `sqlite` but for how a statement is sent: to PostgreSQL a batch as one INSERT from arrays, to MariaDB as long
INSERTs that PyMySQL makes of many rows. Once it commits by itself, so that a small write is one round trip, and once in
transactions. The servers are those of the tests, which do not wait for a disk: that would take the same time for all.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import psycopg
import pymysql
import sqlalchemy as sa
from attrs import evolve
from sqlalchemy.schema import CreateTable

from benchmarks.harness import Comparison, compare, started
from benchmarks.sqlite import SQL, Execute, Row
from benchmarks.verbs import Kairos, Scale, Store, cases
from kairos_sql import metadata

__all__ = ["run"]

Product: TypeAlias = Literal["mariadb", "postgresql"]

INSERT_AIM = 0.6

ARRAYS = """
INSERT INTO delays SELECT * FROM unnest(
    %b::text[], %b::text[], %b::text[], %b::bigint[], %b::bigint[], %b::float8[], %b::bigint[], %b::bigint[])
ON CONFLICT (prefix, name, interval, i_time, r_time, value) DO UPDATE SET n = delays.n + excluded.n"""
TWO = """
INSERT INTO delays VALUES (%b, %b, %b, %b, %b, %b, %b, %b), (%b, %b, %b, %b, %b, %b, %b, %b)
ON CONFLICT (prefix, name, interval, i_time, r_time, value) DO UPDATE SET n = delays.n + excluded.n"""
DUPLICATES = """
INSERT INTO delays VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON DUPLICATE KEY UPDATE n = n + VALUES(n)"""

# MariaDB finds the names by a loose scan of the index; in the recursion that serves SQLite it reads all rows for each.
GROUPED = """
SELECT name, EXISTS (SELECT 1 FROM delays WHERE prefix = '' AND name = names.name AND interval = 'hour') OR EXISTS (
    SELECT 1 FROM delays WHERE prefix = '' AND name = names.name AND interval = 'minute' AND i_time >= %s)
FROM (SELECT name FROM delays WHERE prefix = '' GROUP BY prefix, name) AS names ORDER BY name"""


@contextmanager
def server(product: Product) -> Iterator[sa.URL | None]:
    """The server that the environment names, or one that is started, in a process of its own; None if there is none,
    which in CI is an error.
    """
    if given := os.environ.get(f"KAIROS_BENCH_{product.upper()}_URL"):
        yield sa.make_url(given)
        return
    with started(product) as url:
        if not url and "CI" in os.environ:
            raise RuntimeError(f"no {product}")
        yield sa.make_url(url) if url else None


def drop(url: sa.URL, product: Product, table: str, *, create: bool) -> None:
    """Begin with an empty table, or with none."""
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    described = metadata(type="histogram", table_name=table, dialect=product)
    with engine.begin() as connection:
        described.drop_all(connection)
        if create:
            connection.execute(CreateTable(described.tables[table]))


class _HandWritten(SQL):
    """The driver alone, on one connection that commits by itself or when it is told to."""

    def __init__(self, url: sa.URL, product: Product, *, commits_itself: bool) -> None:
        self.commits_itself = commits_itself
        self._table = "delays" if commits_itself else "delays_of_transactions"
        self._texts: dict[str, str] = {}
        drop(url, product, self._table, create=True)
        self._db = self._connect(url)

    @abstractmethod
    def _connect(self, url: sa.URL) -> Any:
        """The driver's connection."""

    def _text(self, sql: str) -> str:
        if sql not in self._texts:
            self._texts[sql] = self._translated(sql).replace("delays", self._table)
        return self._texts[sql]

    def _translated(self, sql: str) -> str:
        return sql.replace("?", "%s")

    def _read(self, sql: str, *parameters: Any) -> Iterable[Any]:
        found: Iterable[Any] = self._execute(sql, parameters).fetchall()
        if not self.commits_itself:
            self._db.rollback()
        return found

    def _execute(self, sql: str, parameters: Row) -> Any:
        cursor = self._db.cursor()
        cursor.execute(self._text(sql), parameters)
        return cursor

    def close(self) -> None:
        self._db.close()


class Psycopg(_HandWritten):
    """psycopg 3."""

    def _connect(self, url: sa.URL) -> Any:
        return psycopg.connect(
            url.set(drivername="postgresql").render_as_string(hide_password=False), autocommit=self.commits_itself
        )

    def _write(self, sql: str, rows: list[Row]) -> None:  # noqa: ARG002 - it is SQLite's
        if len(rows) == 2:
            self._db.execute(self._text(TWO), (*rows[0], *rows[1]), prepare=True)
        else:
            self._db.execute(self._text(ARRAYS), tuple(map(list, zip(*rows, strict=True))), prepare=True)
        self._db.commit()

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        with self._db.transaction():
            yield self._execute


class PyMySQL(_HandWritten):
    """PyMySQL, which sends many rows as one statement."""

    def _connect(self, url: sa.URL) -> Any:
        return pymysql.connect(
            host=url.host,
            port=url.port or 0,
            user=url.username,
            password=url.password or "",
            database=url.database,
            autocommit=self.commits_itself,
        )

    def _translated(self, sql: str) -> str:
        return super()._translated(sql).replace("interval", "`interval`")

    def _write(self, sql: str, rows: list[Row]) -> None:  # noqa: ARG002 - it is SQLite's
        if len(rows) == 2 and self.commits_itself:
            self._db.cursor().executemany(self._text(DUPLICATES), rows)
        else:  # it may be several statements
            with self._transaction():
                self._db.cursor().executemany(self._text(DUPLICATES), rows)

    @contextmanager
    def _transaction(self) -> Iterator[Execute]:
        self._db.begin()
        yield self._execute
        self._db.commit()

    def names(self) -> list[str]:
        return [name.decode() for name, visible in self._read(GROUPED, self._cutoff) if visible]


def run(product: Product, scale: Scale, rounds: int) -> Iterator[Comparison]:
    """Every verb, one after the other."""
    driver: Callable[..., _HandWritten]
    driver, name = {"mariadb": (PyMySQL, "pymysql"), "postgresql": (Psycopg, "psycopg")}[product]
    with server(product) as found:
        if found is None:  # the process has told why
            return
        url = found.set(drivername=f"{product}+{name}")

        def kairos() -> Store:
            drop(url, product, "kairos_histogram", create=False)
            return Kairos(url.render_as_string(hide_password=False))

        makers: dict[str, Callable[[], Store]] = {
            "by hand": lambda: driver(url, product, commits_itself=True),
            "transaction": lambda: driver(url, product, commits_itself=False),
            "kairos": kairos,
        }
        for case in cases(scale):
            aim = INSERT_AIM if case.what.startswith("insert,") else case.aim
            yield compare(evolve(case, aim=aim), makers, rounds)
