"""The table: what `metadata` says is what is made."""

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateTable

from kairos import ConfigurationError, Timeseries
from kairos_sql import metadata

KINDS = ("count", "gauge", "histogram", "series", "set")
HARD = ('quo"ted', "per%cent")
CELL = ["prefix", "name", "interval", "i_time", "r_time"]
COLUMNS = {
    ("count", "float"): ([*CELL], ["n", "f"]),
    ("gauge", "float"): ([*CELL], ["value"]),
    ("histogram", "float"): ([*CELL, "value"], ["n"]),
    ("series", "float"): ([*CELL, "seq"], ["value"]),
    ("set", "float"): ([*CELL, "value"], []),
    ("histogram", "text"): ([*CELL, "digest"], ["value", "n"]),
    ("set", "text"): ([*CELL, "digest"], ["value"]),
    ("series", "text"): ([*CELL, "seq"], ["value"]),
}


def only(found):
    (table,) = found.tables.values()
    return table


@pytest.mark.parametrize(("kind", "value_type"), COLUMNS)
def test_the_columns_of_each_shape(kind, value_type):
    table = only(metadata(type=kind, value_type=value_type))
    key, data = COLUMNS[kind, value_type]
    assert table.name == f"kairos_{kind}"
    assert [column.name for column in table.primary_key.columns] == key
    assert [column.name for column in table.columns] == [*key, *data, "expires_at"]
    assert [column.name for column in table.columns if column.nullable] == ["expires_at"]


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_constraints_come_from_the_name_of_the_table(kind):
    table = only(metadata(type=kind, table_name="mine"))
    assert table.primary_key.name == "pk_mine"
    assert {constraint.name for constraint in table.constraints} >= {"pk_mine"}
    assert all("mine" in constraint.name for constraint in table.constraints)


def test_checks_and_the_missing_rowid_are_for_sqlite_alone():
    table = only(metadata(type="count"))
    here = str(CreateTable(table).compile(dialect=sqlite.dialect()))
    there = str(CreateTable(table).compile(dialect=postgresql.dialect()))
    assert "CHECK (typeof(n) = 'integer')" in here
    assert "WITHOUT ROWID" in here
    assert "CHECK" not in there
    assert "ROWID" not in there
    assert "f DOUBLE PRECISION NOT NULL" in there


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value_type", ["float", "str", "decimal", "blob"])
def test_metadata_makes_what_a_timeseries_makes(tmp_path, kind, value_type):
    keywords = {"type": kind, "value_type": None if kind == "count" else value_type, "string_length": 99}
    made, by_hand = tmp_path / "made.db", tmp_path / "by_hand.db"
    with Timeseries(f"sqlite:///{made}", intervals={"minute": {"step": 60}}, **keywords) as series:
        series.insert("a", {"blob": b"x"}.get(value_type, 1) if kind != "count" else 1)
    engine = sa.create_engine(f"sqlite:///{by_hand}", poolclass=NullPool)
    metadata(**keywords).create_all(engine)
    ours = sa.create_engine(f"sqlite:///{made}", poolclass=NullPool)
    reflected = [sa.inspect(one).get_multi_columns() for one in (ours, engine)]
    assert str(reflected[0]) == str(reflected[1])
    tables = []
    for one in (ours, engine):
        with one.connect() as connection:
            tables.append(connection.exec_driver_sql("SELECT type, name, tbl_name, sql FROM sqlite_master").all())
    # The statement is kept as it was written, and only ours says IF NOT EXISTS.
    assert [[str(cell).replace("IF NOT EXISTS ", "") for cell in row] for row in tables[0]] == [
        [str(cell) for cell in row] for row in tables[1]
    ]
    engine.dispose()
    # A table that was made by hand is taken.
    with Timeseries(f"sqlite:///{by_hand}", intervals={"minute": {"step": 60}}, create=False, **keywords) as series:
        assert series.list() == []


def test_tables_of_several_series_in_the_metadata_of_a_program():
    own = sa.MetaData()
    sa.Table("users", own, sa.Column("id", sa.Integer, primary_key=True))
    assert metadata(type="count", into=own) is own
    metadata(type="set", value_type="str", table_name="tails", schema="stats", into=own)
    assert set(own.tables) == {"users", "kairos_count", "stats.tails"}


@pytest.mark.parametrize("keywords", [{"type": "nonsense"}, {"value_type": "nonsense"}], ids=str)
def test_wrong_keywords_of_metadata(keywords):
    with pytest.raises(ConfigurationError, match=next(iter(keywords))):
        metadata(**keywords)


# All names for one kind, and for the others those that drivers and SQLAlchemy may take for something else.
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=() if kind == "histogram" or name in HARD else pytest.mark.full)
        for name in ("mine", "select", *HARD, "semi;colon -- ", "ünï", "a.b", "o'clock")
        for kind in KINDS
    ],
)
def test_any_name_of_a_table(make, url, kind, name):
    series = make(url, type=kind, table_name=name)
    series.insert("a", [1, 2], timestamp=0)
    assert series.list() == ["a"]
    assert series.get("a", "minute", timestamp=0)[0]
    assert series.expire() == 0
    assert series.delete("a") == 1
    with sa.create_engine(url, poolclass=NullPool).connect() as connection:
        assert sa.inspect(connection).get_table_names() == [name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_in_a_schema(make, url, kind):
    series = make(url, type=kind, schema="main")
    series.insert("a", [1, 2], timestamp=0)
    series.insert("a", [2, 3], timestamp=0)
    assert make(url, type=kind).get("a", "minute", timestamp=0) == series.get("a", "minute", timestamp=0)
    assert series.delete("a") == 1
