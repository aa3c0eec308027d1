"""On real servers: writers in each other's way, and lost connections."""

import asyncio
import itertools
import logging
import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa

from kairos import AsyncTimeseries, BackendUnavailable, Timeseries

MINUTE = {"minute": {"step": 60}}
ONE = {"pool_size": 1, "max_overflow": 0}
WRITERS, ROUNDS = 8, 5
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


@pytest.mark.parametrize("points", [1, 100])
def test_a_commit_whose_answer_is_lost(make, database, proxy, points):
    """Nobody knows whether it was carried out, so it is not tried again. One statement commits by itself."""
    batch = [("a", 1, 60 * bucket) for bucket in range(points)]
    direct = make(str(database), type="count")
    direct.insert("a", 1, timestamp=0)
    count = make(str(database).replace(f":{database.url.port}/", f":{proxy.port}/"), type="count")
    assert count.list() == ["a"]
    proxy.cutting = rb"INSERT" if points == 1 else rb"COMMIT(?!TED)"
    with pytest.raises(BackendUnavailable, match="committed, which may have been carried out or not") as caught:
        count.bulk_insert(batch)
    assert caught.value.outcome_unknown
    assert not proxy.cutting
    assert direct.get("a", "minute", timestamp=0) == {0: 2}
    count.bulk_insert(batch)
    assert direct.get("a", "minute", timestamp=0) == {0: 3}


def test_a_verb_of_one_statement_is_one_round_trip(make, database, proxy):
    count = make(
        str(database).replace(f":{database.url.port}/", f":{proxy.port}/"),
        type="count",
        intervals={**MINUTE, "hour": {"step": "1h", "resolution": 60}, "day": {"step": "1d"}},
    )
    for verb in (
        lambda: count.insert("a", 1, timestamp=0),
        lambda: count.get("a", "hour", timestamp=0),
        lambda: count.series("a", "minute", start=0, end=60_000),
        count.list,
    ):
        for _ in range(10):  # after some times psycopg has the statement prepared
            verb()
        before = proxy.sent
        verb()
        assert proxy.sent - before == 1


def updating(table):
    return f"UPDATE {table.name} SET value = 7"


def by_sqlalchemy(connection, table):
    connection.execute(sa.update(table).values(value=7))


def by_a_transaction(connection, table):
    with connection.begin() as transaction:
        connection.exec_driver_sql(updating(table))
        transaction.rollback()


def past_sqlalchemy(connection, table):
    cursor = connection.connection.cursor()
    cursor.execute(updating(table))
    cursor.close()


def failing(connection, table):
    by_sqlalchemy(connection, table)
    raise LookupError("mine")


def closing_it(connection, table):
    past_sqlalchemy(connection, table)
    connection.close()


def giving_it_up(connection, table):
    past_sqlalchemy(connection, table)
    connection.invalidate()


WAYS = [by_sqlalchemy, by_a_transaction, past_sqlalchemy, failing, closing_it, giving_it_up]


@pytest.mark.parametrize(
    ("given", "do"),
    [
        *(pytest.param("URL", do, id=f"URL-{do.__name__}") for do in WAYS),
        pytest.param("engine", past_sqlalchemy, id="engine-past_sqlalchemy"),
        *(
            pytest.param("engine", do, id=f"engine-{do.__name__}", marks=pytest.mark.full)
            for do in WAYS
            if do is not past_sqlalchemy
        ),
    ],
)
def test_what_a_custom_fetch_writes_is_not_carried_out(database, do, given):
    """However it is done, and no transaction is left to the next verb."""
    target = str(database) if given == "URL" else database.engine
    open_ones = {
        "postgresql": "SELECT COUNT(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND state ~ '^idle in transaction'",
        "mariadb": "SELECT COUNT(*) FROM information_schema.innodb_trx"
        " JOIN information_schema.processlist ON id = trx_mysql_thread_id WHERE db = database()",
    }[database.product]

    def fetch(connection, table, *_):
        do(connection, table)
        return {}

    with Timeseries(target, type="series", intervals=MINUTE) as series:
        series.insert("a", 1, timestamp=0)
        if do is failing:
            with pytest.raises(LookupError):
                series.get("a", "minute", timestamp=0, fetch=fetch)
        else:
            assert series.get("a", "minute", timestamp=0, fetch=fetch) == {0: []}
        with sa.create_engine(database.engine.url, poolclass=sa.pool.NullPool).connect() as other:
            for _ in range(50):  # the servers tell it some time later
                if (left := other.exec_driver_sql(open_ones).scalar()) == 0:
                    break
                time.sleep(0.1)
            assert left == 0
        assert series.get("a", "minute", timestamp=0) == {0: [1]}
        series.insert("a", 2, timestamp=0)
        assert series.get("a", "minute", timestamp=0) == {0: [1, 2]}


def test_a_connection_that_was_lost_in_the_pool_is_replaced(make, database):
    count = make(str(database), type="count", client_config=ONE)
    count.insert("a", 1, timestamp=0)
    for verb in (lambda: count.insert("a", 1, timestamp=0), count.list, lambda: count.delete("b")):
        if database.product == "postgresql":
            own = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            kill = "SELECT pg_terminate_backend({})"
        else:
            own = "SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()"
            kill = "KILL {}"
        for (number,) in database.execute(own):
            database.execute(kill.format(number))
        while database.execute(own):  # the server ends a connection when it comes to it
            time.sleep(0.01)
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


@pytest.mark.parametrize("verbs", [200, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_connection_is_lost_over_many_verbs(database, verbs):
    """Some of which fail."""
    with Timeseries(str(database), type="count", intervals=MINUTE, client_config={**ONE, "pool_timeout": 0.5}) as count:
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


def test_processes_that_expire_at_the_same_time_count_each_cell_once(make, database):
    found = []
    writer = make(str(database), type="histogram", intervals={"minute": {"step": 60, "steps": 10}}, clock=lambda: 0)
    writer.bulk_insert([(name, [1, 2], 60 * bucket) for name in "ab" for bucket in range(1500)])

    def work():
        with Timeseries(
            str(database), type="histogram", intervals={"minute": {"step": 60, "steps": 10}}, clock=lambda: 600_000
        ) as series:
            found.append(series.expire())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 3000
    assert len(found) == 4
    assert database.execute("SELECT COUNT(*) FROM kairos_histogram") == [(0,)]
