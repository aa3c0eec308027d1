"""Alembic: ``metadata()`` is the table as the database has it, and a migration that is made of it makes that table."""

from contextlib import contextmanager
from functools import partial
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.migration import MigrationContext
from alembic.operations import Operations

from kairos import Timeseries
from kairos.kinds import KINDS
from kairos_conformance.servers import Lasting, mariadb, postgresql, shared
from kairos_sql import metadata

MINUTE = {"minute": {"step": 60}}
SERVERS = {"postgresql": Lasting(partial(shared, postgresql)), "mariadb": Lasting(partial(shared, mariadb))}
VALUES = {"float": 1, "int": 1, "bool": True, "decimal": 1, "str": "a", "text": "a", "blob": b"a"}
# Each type as a column of values and as a key, and one of each sort for the other kinds.
TABLES = [
    *((kind, value_type) for kind in ("series", "histogram") for value_type in VALUES),
    ("count", "int"),
    ("gauge", "int"),
    ("set", "int"),
    ("set", "text"),
]


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def engine(request, tmp_path_factory):
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('alembic') / 'test.db'}"
    else:
        driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}[request.param]
        url = sa.make_url(SERVERS[request.param].demand().url).set(drivername=driver)
    made = sa.create_engine(url)
    yield made
    made.dispose()


@pytest.fixture
def keywords(engine):
    """Keywords for a table of the test's own."""
    name = f"alembic_{uuid4().hex[:8]}"
    yield {"table_name": name, "dialect": engine.dialect.name}
    with engine.begin() as connection:
        connection.execute(sa.schema.DropTable(sa.Table(name, sa.MetaData()), if_exists=True))


@contextmanager
def comparing(engine, names):
    def ours(given, kind, parents):
        return kind != "table" or given in names

    with engine.begin() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_name": ours}
        yield MigrationContext.configure(connection, opts=options)


def typed(kind, value_type):
    return {"type": kind, "value_type": None if kind == "count" else value_type}


def opened(engine, *, dialect, **keywords):
    return Timeseries(engine, intervals=MINUTE, **keywords)


@pytest.mark.parametrize(("kind", "value_type"), TABLES)
def test_autogenerate_finds_no_difference(engine, keywords, kind, value_type):
    keywords |= typed(kind, value_type)
    with opened(engine, **keywords) as series:
        series.insert("a", 1 if kind == "count" else VALUES[value_type])
    with comparing(engine, {keywords["table_name"]}) as context:
        assert compare_metadata(context, metadata(**keywords)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_migration_makes_the_table(engine, keywords, kind):
    keywords |= typed(kind, "str")
    with comparing(engine, {keywords["table_name"]}) as context:
        script = produce_migrations(context, metadata(**keywords))
        (created,) = script.upgrade_ops.ops
        Operations(context).invoke(created)
    with opened(engine, create=False, **keywords) as series:
        series.insert("a", 1 if kind == "count" else "x", timestamp=0)
        assert series.list() == ["a"]
    with comparing(engine, {keywords["table_name"]}) as context:
        assert compare_metadata(context, metadata(**keywords)) == []


def test_a_difference_is_found(engine, keywords):
    with opened(engine, value_type="int", **keywords) as series:
        series.insert("a", 1)
    with comparing(engine, {keywords["table_name"]}) as context:
        ((change,),) = compare_metadata(context, metadata(value_type="text", **keywords))
    assert (change[0], change[3]) == ("modify_type", "value")
