"""What each database says about how it finds the rows: by the key, never by reading the whole table.

The statements are those that the verbs send, explained with their own parameters. That of SQLite, for every form of
every statement, is in test_statements.
"""

import json
from functools import partial
from uuid import uuid4

import pytest
import sqlalchemy as sa

from kairos import Timeseries
from kairos.kinds import KINDS
from kairos_conformance.servers import Lasting, mariadb, postgresql, shared

SERVERS = {
    "postgresql": (Lasting(partial(shared, postgresql)), "psycopg"),
    "mariadb": (Lasting(partial(shared, mariadb)), "pymysql"),
}
INTERVALS = {"minute": {"step": 60, "steps": 100}, "hour": {"step": 3600, "resolution": 60}}
NAMES = [f"name-{number}" for number in range(100)]


@pytest.fixture(scope="module", params=SERVERS)
def engine(request):
    server, driver = SERVERS[request.param]
    made = sa.create_engine(sa.make_url(server.demand().url).set(drivername=f"{request.param}+{driver}"))
    yield made
    made.dispose()


@pytest.fixture
def series(engine, kind):
    """A table with enough rows for an index to be worth it, of which the database knows."""
    name = f"explain_{uuid4().hex[:8]}"
    made = Timeseries(engine, type=kind, table_name=name, intervals=INTERVALS, clock=lambda: 6_000)
    made.bulk_insert([(name, minute, minute * 60) for name in NAMES for minute in range(1, 100, 2)])
    with engine.begin() as connection:
        connection.exec_driver_sql(f"{'ANALYZE' if engine.dialect.name == 'postgresql' else 'ANALYZE TABLE'} {name}")
    yield made
    with engine.begin() as connection:
        connection.exec_driver_sql(f"DROP TABLE {name}")


def whole(engine, sql, parameters):
    """How a statement reads the table as a whole; empty if it does not."""
    with engine.connect() as connection:
        if engine.dialect.name == "mariadb":
            rows = connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).mappings().all()
            mine = [row for row in rows if row["type"] not in {None, "NULL"} and not str(row["table"]).startswith("<")]
            assert all(row["key"] == "PRIMARY" for row in mine if row["type"] not in {"ALL", "index"}), mine
            return [dict(row) for row in mine if row["type"] in {"ALL", "index"} and row["table"] != "names"]
        ((found,),) = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", parameters).all()
        found = found if isinstance(found, list) else json.loads(found)
        return [node for node in nodes(found[0]["Plan"]) if node["Node Type"] == "Seq Scan"]


def nodes(plan):
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


def rows_read(engine, sql, parameters):
    """How many entries of the index a statement reads."""
    with engine.connect() as connection:
        if engine.dialect.name == "mariadb":
            connection.exec_driver_sql("FLUSH STATUS")
            connection.exec_driver_sql(sql, parameters).all()
            read = dict(connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Handler_read_%%'").all())
            return sum(int(read[f"Handler_read_{how}"]) for how in ("first", "key", "last", "next", "prev"))
        ((found,),) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", parameters).all()
        found = found if isinstance(found, list) else json.loads(found)
        return sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
            for node in nodes(found[0]["Plan"])
            if "Index" in node["Node Type"]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_found_by_some_looks_each(engine, series):
    """However many rows they have: 100 here."""
    sent = []
    series.list()
    sa.event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2:4]))
    assert series.list() == sorted(NAMES)
    ((sql, parameters),) = sent
    assert rows_read(engine, sql, parameters) <= 6 * len(NAMES)


@pytest.mark.parametrize("kind", KINDS)
def test_every_read_finds_its_rows_by_the_key(engine, series, kind):
    sent = []

    def note(*given):
        _, _, sql, parameters, *_ = given
        mine = series.backend._sql.layout.table.name in sql  # others look for the table
        if mine and sql.startswith(("SELECT", "WITH", "DELETE")):
            sent.append((sql, parameters))

    series.list()
    sa.event.listen(engine, "before_cursor_execute", note)
    some = {"start": 600, "end": 1200}
    verbs = {
        "get": lambda: series.get("name-7", "minute", timestamp=60),
        "get fine": lambda: series.get("name-7", "hour", timestamp=60),
        "series": lambda: series.series("name-7", "minute", **some),
        "series, named": lambda: series.series(NAMES[3:9], "minute", **some),
        "series, fine": lambda: series.series(NAMES[3:9], "hour", **some),
        "series, aggregated": lambda: series.series("name-7", "minute", **some, transform=["count", "max"]),
        "series, named and aggregated": lambda: series.series(NAMES[3:9], "hour", **some, transform=["count", "max"]),
        "iterate": lambda: list(series.iterate("name-7", "minute")),
        "list": series.list,
        "properties": lambda: series.properties("name-7"),
        "delete, narrowed": lambda: series.delete("name-7", interval="minute", start=60, end=120),
        "delete": lambda: series.delete("name-8"),
        "expire": lambda: series.expire("name-9"),
    }
    found = {}
    for what, verb in verbs.items():
        sent.clear()
        verb()
        assert sent, what
        for sql, parameters in sent:
            if scans := whole(engine, sql, parameters):
                found[what] = (sql, scans)
    assert found == {}
    assert whole(engine, f"SELECT * FROM {series.backend._sql.layout.table.name} WHERE expires_at = 7", ())
