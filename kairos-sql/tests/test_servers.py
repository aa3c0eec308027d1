"""On real servers: writers in each other's way, lost connections, rights, settings, and what a name or value may be."""

import asyncio
import itertools
import logging
import subprocess
import sys
import threading
from decimal import Decimal
from functools import partial

import pytest
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from kairos import AsyncTimeseries, BackendError, BackendUnavailable, ConfigurationError, InvalidValue, Timeseries

MINUTE = {"minute": {"step": 60}}
ONE = {"pool_size": 1, "max_overflow": 0}
WRITERS, ROUNDS = 8, 12
WRITER = """
import sys
from kairos import Timeseries
url, number, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
minute = {"minute": {"step": 60}}
names = [f"n{name:02}" for name in range(12)]
if number % 2:
    names.reverse()
with (
    Timeseries(url, type="count", intervals=minute) as count,
    Timeseries(url, type="histogram", value_type="text", intervals=minute) as histogram,
):
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(rounds):
        count.bulk_insert([(name, number + 1, 60 * turn) for name in names])
        histogram.bulk_insert([(name, f"v{number % 3}", 0) for name in names])
"""


@pytest.mark.ring
def test_eight_processes_on_the_same_buckets(database):
    """They make the tables at the same moment, and write in opposite orders: none fails, and the sums are exact."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(database), str(number), str(ROUNDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(WRITERS)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=240)
        assert writer.returncode == 0, errors
    with Timeseries(str(database), type="count", intervals=MINUTE) as count:
        found = {name: count.series(name, "minute", start=0, end=60 * ROUNDS - 1) for name in count.list()}
    each = sum(range(1, WRITERS + 1))
    assert found == {f"n{name:02}": dict.fromkeys(range(0, 60 * ROUNDS, 60), each) for name in range(12)}
    with Timeseries(str(database), type="histogram", value_type="text", intervals=MINUTE) as histogram:
        for name in histogram.list():
            assert histogram.get(name, "minute", timestamp=0) == {
                0: {"v0": 3 * ROUNDS, "v1": 3 * ROUNDS, "v2": 2 * ROUNDS}
            }
    assert database.execute("SELECT COUNT(*) FROM kairos_count") == [(12 * ROUNDS,)]
    assert database.execute("SELECT COUNT(*) FROM kairos_histogram") == [(12 * 3,)]


def test_a_transaction_that_was_rolled_back_for_another_is_begun_again(make, database):
    """A deadlock that another program makes: the server takes the one that waited first, or that has done less."""
    count = make(str(database), type="count")
    count.bulk_insert([("a", 1, 0), ("b", 1, 0), *(("more", 1, 60 * bucket) for bucket in range(30))])
    update = "UPDATE kairos_count SET n = n + 100 WHERE name = '{}'"
    with database.engine.connect() as other:
        for name in ("more", "b"):
            other.exec_driver_sql(update.format(name))
        writer = threading.Thread(target=count.bulk_insert, args=([("b", 1, 0), ("a", 1, 0)],))
        writer.start()
        waits = {
            "postgresql": "SELECT COUNT(*) FROM pg_locks WHERE NOT granted",
            "mariadb": "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
        }
        while database.execute(waits[database.product]) == [(0,)]:
            assert writer.is_alive()
        other.exec_driver_sql(update.format("a"))
        other.commit()
    writer.join(60)
    assert count.get("a", "minute", timestamp=0) == {0: 102}
    assert count.get("b", "minute", timestamp=0) == {0: 102}


def test_rows_of_a_list_that_come_with_the_same_number_get_others(make, database, monkeypatch):
    """Two processes that look at the clock at the same moment."""
    monkeypatch.setattr("kairos_sql._rows.time.time_ns", lambda: 10**18)
    monkeypatch.setattr("kairos_sql._rows.random.getrandbits", lambda _: 7)
    first, second = (make(str(database), type="series", value_type="int") for _ in range(2))
    first.insert("a", [1, 2], timestamp=0)
    second.insert("a", [3, 4], timestamp=0)
    first.insert("a", [5, 6], timestamp=0)
    assert first.get("a", "minute", timestamp=0) == {0: [1, 2, 3, 4, 5, 6]}


@pytest.mark.parametrize("product", ["postgresql"], indirect=True)
def test_transactions_that_cannot_be_put_in_a_row_are_begun_again(database):
    """With an engine whose transactions are SERIALIZABLE."""
    engine = sa.create_engine(database.through("psycopg"), isolation_level="SERIALIZABLE")
    with Timeseries(engine, type="count", intervals=MINUTE) as count:
        count.insert("a", 1, timestamp=0)
        failed = []

        def work():
            try:
                for _ in range(10):
                    count.bulk_insert([("a", 1, 0), ("b", 1, 0)])
            except BaseException as error:  # noqa: BLE001 - for the thread that joins
                failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert count.get("a", "minute", timestamp=0) == {0: 41}
    engine.dispose()


def test_a_server_that_is_killed_in_the_middle_of_a_batch(server, product, make):
    """Each batch is there as a whole or not at all, and the next verb finds the server when it is back."""
    count = make(server.url, type="count")
    batch = [("a", 1, 60 * bucket) for bucket in range(3000)]
    count.insert("b", 1, timestamp=0)
    killer = threading.Timer(0.7, server.kill)
    killer.start()
    written = []
    with pytest.raises(BackendUnavailable) as caught:
        written.extend(count.bulk_insert(batch) for _ in itertools.count())
    killer.join()
    with pytest.raises(BackendUnavailable):
        count.list()
    server.process.start()
    (times,) = set(count.series("a", "minute", start=0, end=180_000 - 1).values()) or {0}
    done = len(written)
    assert times in ({done, done + 1} if caught.value.outcome_unknown else {done})
    count.insert("b", 1, timestamp=0)
    assert count.get("b", "minute", timestamp=0) == {0: 2}


def test_a_commit_whose_answer_is_lost(make, database, proxy):
    """Nobody knows whether it was carried out, so it is not tried again."""
    direct = make(str(database), type="count")
    direct.insert("a", 1, timestamp=0)
    count = make(str(database).replace(f":{database.url.port}/", f":{proxy.port}/"), type="count")
    assert count.list() == ["a"]
    proxy.cutting = True
    with pytest.raises(BackendUnavailable, match="COMMIT") as caught:
        count.insert("a", 1, timestamp=0)
    assert caught.value.outcome_unknown
    assert not proxy.cutting
    assert direct.get("a", "minute", timestamp=0) == {0: 2}
    count.insert("a", 1, timestamp=0)
    assert direct.get("a", "minute", timestamp=0) == {0: 3}


def test_a_connection_that_was_lost_in_the_pool_is_replaced(make, database):
    count = make(str(database), type="count", client_config=ONE)
    count.insert("a", 1, timestamp=0)
    for verb in (lambda: count.insert("a", 1, timestamp=0), count.list, lambda: count.delete("b")):
        if database.product == "postgresql":
            database.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        else:
            own = "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            for (number,) in database.execute(own):
                database.execute(f"KILL {number}")
        verb()
    assert count.get("a", "minute", timestamp=0) == {0: 2}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg", "asyncmy"])
def test_a_cancelled_verb_gives_its_connection_back(database_of, driver, caplog):
    """Wherever the cancellation finds it; and nothing is left for asyncio to complain about."""
    url = (
        database_of("mariadb" if driver == "asyncmy" else "postgresql")
        .through(driver)
        .render_as_string(hide_password=False)
    )

    async def main():
        async with AsyncTimeseries(url, type="count", intervals=MINUTE, client_config=ONE) as count:
            await count.insert("a", 1, timestamp=0)
            batch = [("b", 1, second) for second in range(0, 30_000, 60)]
            for turns in range(40):
                verb = count.series("b", "minute", start=0, end=30_000) if turns % 2 else count.bulk_insert(batch)
                task = asyncio.ensure_future(verb)
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                (found,) = await asyncio.gather(task, return_exceptions=True)
                assert turns % 2 or isinstance(found, asyncio.CancelledError) or found.cells == 500
                assert await count.get("a", "minute", timestamp=0) == {0: 1}
            # Each batch was written as a whole or not at all.
            found = await count.series("b", "minute", start=0, end=29_940)
            assert len(set(found.values())) <= 1

    with caplog.at_level(logging.WARNING, "asyncio"):
        asyncio.run(main())
    assert not [record for record in caplog.records if record.name == "asyncio"]


@pytest.mark.parametrize("verbs", [500, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_connection_is_lost_over_many_verbs(database, verbs):
    """Some of which fail."""
    with Timeseries(str(database), type="count", intervals=MINUTE, client_config={**ONE, "pool_timeout": 5}) as count:
        count.insert("a", 2**62, timestamp=0)
        refused = 0
        for turn in range(verbs):
            match turn % 100:
                case 0:
                    with pytest.raises(OverflowError):
                        count.insert("a", 2**62, timestamp=0)
                    refused += 1
                case 1:
                    with pytest.raises(ZeroDivisionError):
                        count.get("a", "minute", timestamp=0, fetch=lambda *_: 1 / 0)
                case _:
                    count.get("a", "minute", timestamp=0)
        assert refused == verbs // 100
        assert count.get("a", "minute", timestamp=0) == {0: 2**62}
        assert count.backend._engine.pool.checkedout() == 0
        with count.backend._engine.connect(), pytest.raises(BackendUnavailable, match="QueuePool"):
            count.list()


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
    database.execute("CREATE SCHEMA IF NOT EXISTS other")
    count = make(str(database), type="count", schema="other", table_name="mine")
    count.insert("a", 1, timestamp=0)
    assert make(str(database), type="count", schema="other", table_name="mine", create=False).list() == ["a"]
    assert sa.inspect(database.engine).get_table_names() == []
    assert count.delete("a") == 1
    database.execute("DROP TABLE other.mine", "DROP SCHEMA other")


def test_a_driver_of_the_other_colour(database):
    sync, awaiting = {"postgresql": ("psycopg2", "asyncpg"), "mariadb": ("pymysql", "asyncmy")}[database.product]
    open_sync = partial(Timeseries, intervals=MINUTE)
    open_async = partial(AsyncTimeseries, intervals=MINUTE)
    with pytest.raises(ConfigurationError, match="Timeseries needs a blocking driver"):
        open_sync(database.through(awaiting).render_as_string(hide_password=False))
    with pytest.raises(ConfigurationError, match="AsyncTimeseries needs an asynchronous driver"):
        open_async(database.through(sync).render_as_string(hide_password=False))
