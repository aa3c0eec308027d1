"""On real servers: what a name or a value may be, settings, rights and types."""

import datetime as dt
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from kairos import AsyncTimeseries, BackendError, ConfigurationError, InvalidValue, Timeseries

AWAITED = {"postgresql": "psycopg", "mariadb": "asyncmy"}
MINUTE = {"minute": {"step": 60}}

# --- What a name and a value may be ---------------------------------------------------------------------------------

NASTY = [
    *("'; DROP TABLE kairos_set; --", '" OR ""="', "\\", "\\'; --", "%s", "%(name)s", ":name", "$1", "{}", "?"),
    *("`", "--", "/*", "\n", "a", "A", "a ", " a", "á", "a\u0301", "ﬁ", "ß", "ss", "\U0001f98a", "\x1a", "%", "_"),
]


def test_nothing_that_a_name_or_a_value_says_is_carried_out(make, database):
    """And no two of them are taken for one."""
    for prefix in ("", *NASTY[:4]):
        sets = make(str(database), type="set", value_type="text", prefix=prefix, intervals={NASTY[1]: {"step": 60}})
        sets.bulk_insert([(name, value, 0) for name in NASTY for value in NASTY])
        assert sets.list() == sorted(NASTY)
        assert sets.get(NASTY, NASTY[1], timestamp=0) == {0: set(NASTY)}
        assert sets.delete(NASTY[0]) == 1
        assert sets.list() == sorted(NASTY[1:])
    table = NASTY[0][:40]
    sets = make(str(database), type="set", value_type="str", table_name=table)
    sets.insert("a", NASTY, timestamp=0)
    assert sets.get("a", "minute", timestamp=0) == {0: set(NASTY)}
    assert set(sa.inspect(database.engine).get_table_names()) == {"kairos_set", table}


def test_more_names_than_a_query_may_recur(make, database):
    """MariaDB and MySQL stop after 1,000, the former in silence."""
    count = make(str(database), type="count")
    names = [f"{name:04}" for name in range(1201)]
    count.bulk_insert([(name, 1, 0) for name in names])
    assert count.list() == names


def test_names_and_values_in_a_database_with_other_settings(make, database):
    """A character set without these letters, an order of a language's own."""
    if database.product == "mariadb":
        database.execute("ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci")
    else:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("DROP DATABASE IF EXISTS kairos_icu")
            made = "CREATE DATABASE kairos_icu TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de' ENCODING 'UTF8'"
            try:
                connection.exec_driver_sql(made)
            except sa.exc.DBAPIError as error:
                pytest.skip(f"no ICU: {error.orig}")
    url = database.url if database.product == "mariadb" else database.url.set(database="kairos_icu")
    sets = make(url.render_as_string(hide_password=False), type="set", value_type="str")
    sets.bulk_insert([(name, value, 0) for name in NASTY for value in NASTY])
    assert sets.list() == sorted(NASTY)
    assert sets.get(NASTY, "minute", timestamp=0) == {0: set(NASTY)}
    if database.product == "mariadb":
        database.execute("ALTER DATABASE CHARACTER SET utf8mb4")


def test_what_a_database_cannot_hold_is_refused(make, database):
    text = make(str(database), type="gauge", value_type="text")
    number = make(str(database), type="gauge", value_type="decimal", table_name="numbers")
    nul, long = "a\0b", Decimal("0." + 40 * "123456789")
    if database.product == "postgresql":
        number.insert("a", long, timestamp=0)
        assert number.get("a", "minute", timestamp=0) == {0: long}
        with pytest.raises(InvalidValue, match="contains NUL"):
            text.bulk_insert([("a", "a", 0), ("b", nul, 0)])
        assert text.list() == []
    else:
        text.insert("a", nul, timestamp=0)
        assert text.get("a", "minute", timestamp=0) == {0: nul}
        with pytest.raises(InvalidValue, match=r"NUMERIC\(65, 30\)"):
            number.bulk_insert([("a", 1, 0), ("b", long, 0)])
        assert number.list() == []


def test_names_that_would_not_fit_a_key(make, database):
    with pytest.raises(ConfigurationError, match="string_length: 1200 is too long for a key"):
        make(str(database), string_length=1200)
    longest = {"postgresql": 850, "mariadb": 1008}[database.product]
    names = [first + "é" * (longest // 2 - 1) for first in ("a", "b")]
    sets = make(str(database), type="set", value_type="text", string_length=longest, prefix=names[0])
    sets.bulk_insert([(name, "x", 0) for name in names])
    assert sets.list() == names


def test_a_key_of_the_greatest_length_is_an_index_of_mariadb(make, database):
    """Not a hash, by which no range can be read."""
    if database.product != "mariadb":
        pytest.skip("PostgreSQL refuses what is too long")
    sets = make(str(database), type="set", value_type="text", string_length=1008)
    sets.bulk_insert([("a", "x", 60 * bucket) for bucket in range(2000)])
    assert database.execute(
        "SELECT DISTINCT index_type FROM information_schema.statistics WHERE table_name = 'kairos_set'"
    ) == [("BTREE",)]
    database.execute("ANALYZE TABLE kairos_set")
    ((*_, kind, _, key, _, _, rows, _),) = database.execute(
        "EXPLAIN SELECT value FROM kairos_set WHERE prefix = 'kairos' AND name = 'a' AND `interval` = 'minute'"
        " AND i_time BETWEEN 5 AND 9"
    )
    assert (kind, key) == ("range", "PRIMARY")
    assert int(rows) < 20


# --- Settings and rights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("product", ["mariadb"], indirect=True)
def test_a_server_that_would_round_in_silence(make, database, colour):
    database.execute("SET GLOBAL sql_mode = ''")
    try:
        strict = make(str(database), value_type="str", client_config={"poolclass": NullPool})
        strict.insert("a", "x", timestamp=0)
        if colour == "blocking":
            lax = make(sa.create_engine(database.through("pymysql"), poolclass=NullPool), value_type="str")
            with pytest.raises(ConfigurationError, match="sql_mode is not strict"):
                lax.insert("a", "x", timestamp=0)
    finally:
        database.execute("SET GLOBAL sql_mode = DEFAULT")
    assert strict.get("a", "minute", timestamp=0) == {0: ["x"]}


def test_a_driver_that_commits_by_itself(make, database, colour):
    driver = {"blocking": database.engine.url.get_driver_name(), "async": AWAITED[database.product]}[colour]
    create = {"blocking": sa.create_engine, "async": create_async_engine}[colour]
    engine = create(database.through(driver), connect_args={"autocommit": True}, poolclass=NullPool)
    with pytest.raises(ConfigurationError, match="set to autocommit"):
        make(engine, type="count").insert("a", 1, timestamp=0)


@pytest.mark.parametrize("product", ["postgresql"], indirect=True)
def test_the_isolation_level_of_an_engine_stays_its_own(make, database, colour):
    """Reads go without a transaction: what comes after them on the same connection has one again."""
    if colour == "async":
        pytest.skip("it is the same engine inside")
    engine = sa.create_engine(database.engine.url, isolation_level="SERIALIZABLE", pool_size=1, max_overflow=0)
    count = make(engine, type="count")
    count.insert("a", 1, timestamp=0)
    assert count.list() == ["a"]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "serializable"
        connection.exec_driver_sql("DELETE FROM kairos_count")
        connection.rollback()
    assert count.get("a", "minute", timestamp=0) == {0: 1}
    with pytest.raises(ConfigurationError, match="AUTOCOMMIT"):
        make(engine.execution_options(isolation_level="AUTOCOMMIT"), type="count")
    engine.dispose()


@pytest.mark.parametrize("value_type", [sa.DateTime, sa.Time], ids=repr)
def test_times_of_sqlalchemy_keep_their_microseconds(make, database, value_type):
    series = make(str(database), value_type=value_type)
    value = dt.datetime(2026, 1, 2, 3, 4, 5, 678_901)  # noqa: DTZ001 - naive, as the column is
    value = value if value_type is sa.DateTime else value.time()
    series.insert("a", [value], timestamp=0)
    assert series.get("a", "minute", timestamp=0) == {0: [value]}


def test_a_user_who_may_not_make_tables(make, database):
    reader = f"reader_{database.url.database}"  # workers share the server
    host = "@'127.0.0.1'" if database.product == "mariadb" else ""
    make(str(database), type="count").insert("a", 1, timestamp=0)
    password = "IDENTIFIED BY" if database.product == "mariadb" else "PASSWORD"
    try:
        database.execute(
            f"CREATE USER {reader}{host} {password} 'secret'",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON kairos_count TO {reader}{host}",
        )
        url = database.url.set(username=reader, password="secret").render_as_string(hide_password=False)
        for create in (True, False):
            count = make(url, type="count", create=create)
            count.insert("a", 1, timestamp=0)
            assert count.delete("b") == 0
        assert count.get("a", "minute", timestamp=0) == {0: 3}
        # MariaDB does not tell such a user whether there is a table; whoever owns PostgreSQL's schema may be anybody.
        refused = "denied" if database.product == "mariadb" else "there is no table 'kairos_set', and create=False"
        with pytest.raises(BackendError, match=refused) as caught:
            make(url, type="set", create=False).list()
        assert "secret" not in str(caught.value)
    finally:
        statements = [f"DROP USER {reader}{host}"]
        if database.product == "postgresql":
            statements.insert(0, f"DROP OWNED BY {reader}")
        database.execute(*statements)


def test_who_is_not_let_in(make, database):
    """The error says so, and no password."""
    wrong = database.url.set(password="hunter2").render_as_string(hide_password=False)
    nowhere = database.url.set(database="no_such_database").render_as_string(hide_password=False)
    for url in (wrong, nowhere):
        with pytest.raises(BackendError) as caught:
            make(url).list()
        assert "hunter2" not in str(caught.value)
        assert str(database.url.password) not in str(caught.value)


@pytest.mark.parametrize("product", ["postgresql"], indirect=True)
def test_types_that_only_postgresql_has(make, database):
    colours = make(str(database), type="histogram", value_type=sa.Enum("red", "green", name="colour"))
    colours.insert("a", ["red", "red", "green"], timestamp=0)
    assert colours.get("a", "minute", timestamp=0) == {0: {"red": 2, "green": 1}}
    database.execute("DROP TABLE kairos_histogram", "DROP TYPE colour")


def test_a_table_in_a_schema(make, database):
    """Which is a database of its own on MariaDB."""
    other = f"other_{database.url.database}"  # workers share the server
    database.execute(f"CREATE SCHEMA IF NOT EXISTS {other}")
    count = make(str(database), type="count", schema=other, table_name="mine")
    count.insert("a", 1, timestamp=0)
    assert make(str(database), type="count", schema=other, table_name="mine", create=False).list() == ["a"]
    assert sa.inspect(database.engine).get_table_names() == []
    assert count.delete("a") == 1
    database.execute(f"DROP TABLE {other}.mine", f"DROP SCHEMA {other}")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        (["ADD COLUMN extra INT"], "it has a column extra"),
        (["DROP COLUMN expires_at"], "it has no column expires_at"),
        (["DROP COLUMN value", "ADD COLUMN value INT"], "its column value is INTEGER, not DOUBLE"),
    ],
)
def test_a_table_that_was_changed(make, database, changes, wrong):
    make(str(database), type="gauge").insert("a", 1, timestamp=0)
    database.execute(*(f"ALTER TABLE kairos_gauge {change}" for change in changes))
    with pytest.raises(ConfigurationError, match=wrong):
        make(str(database), type="gauge").list()


def test_a_table_with_another_key(make, database):
    make(str(database), type="gauge").insert("a", 1, timestamp=0)
    drop = {"postgresql": "DROP CONSTRAINT pk_kairos_gauge", "mariadb": "DROP PRIMARY KEY"}[database.product]
    database.execute(f"ALTER TABLE kairos_gauge {drop}, ADD PRIMARY KEY (name, prefix)")
    with pytest.raises(ConfigurationError, match="its key is name, prefix"):
        make(str(database), type="gauge").list()


def test_a_driver_of_the_other_colour(database):
    sync, awaiting = {"postgresql": ("psycopg2", "asyncpg"), "mariadb": ("pymysql", "asyncmy")}[database.product]
    open_sync = partial(Timeseries, intervals=MINUTE)
    open_async = partial(AsyncTimeseries, intervals=MINUTE)
    with pytest.raises(ConfigurationError, match="Timeseries needs a blocking driver"):
        open_sync(database.through(awaiting).render_as_string(hide_password=False))
    with pytest.raises(ConfigurationError, match="AsyncTimeseries needs an asynchronous driver"):
        open_async(database.through(sync).render_as_string(hide_password=False))
