"""What is LMDB's own: the file, how it grows, who opens it, and what it cannot hold."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import islice

import lmdb
import pytest

from kairos import BackendError, BackendUnavailable, ConfigurationError, InvalidValue, Timeseries

MINUTE = {"minute": {"step": 60}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data.lmdb"


def opened(path, kind="count", *, client_config=None, **keywords):
    config = {"sync": False} | (client_config or {})
    return Timeseries(f"lmdb://{path}", **{"type": kind, "intervals": MINUTE, "client_config": config} | keywords)


# --- The map ----------------------------------------------------------------------------------------------------------


def test_a_full_file_grows_and_no_write_is_lost_or_done_twice(path):
    with opened(path, client_config={"map_size": 2**16}) as ts:
        for turn in range(4):
            ts.bulk_insert([(f"name {number}", 1, 60 * turn) for number in range(1000)])
            ts.bulk_insert([(f"name {number}", 1, 0) for number in range(1000)])
        names = ts.list()
        assert len(names) == 1000
        assert ts.get(names, "minute", timestamp=0, join_rows=set) == {0: {5}}
        assert ts.get(names, "minute", timestamp=180, join_rows=set) == {180: {1}}
    assert path.stat().st_size > 2**16


def test_a_file_that_another_process_has_grown(path):
    program = """if True:
        import sys
        from kairos import Timeseries
        with Timeseries(sys.argv[1], type="series", intervals={"minute": {"step": 60}}, value_type="text") as ts:
            ts.insert("a", ["x" * 1000] * 1000, timestamp=0)
    """
    with opened(path, "series", client_config={"map_size": 2**16}, value_type="text") as ts:
        ts.insert("a", "first", timestamp=0)
        subprocess.run([sys.executable, "-c", program, f"lmdb://{path}"], check=True)
        assert len(ts.get("a", "minute", timestamp=0)[0]) == 1001
        ts.insert("a", "last", timestamp=0)
        assert len(ts.get("a", "minute", timestamp=0)[0]) == 1002


# --- Who opens and closes ---------------------------------------------------------------------------------------------


def test_neither_a_constructor_nor_a_read_makes_a_file(path):
    with opened(path) as ts:
        assert ts.list() == []
        assert ts.delete("a") == 0
        assert ts.expire() == 0
        assert not path.exists()
        ts.insert("a", timestamp=0)
        assert path.exists()


def test_with_create_false_a_file_that_is_missing_is_an_error_that_names_it(path):
    with opened(path, create=False) as ts:
        for call in (ts.list, lambda: ts.insert("a", timestamp=0)):
            with pytest.raises(BackendError, match=r"data\.lmdb"):
                call()
        assert not path.exists()


def test_a_file_of_somebody_else_gets_a_database_beside_its_own(path):
    with lmdb.open(str(path), subdir=False, max_dbs=1) as theirs, theirs.begin(write=True) as transaction:
        transaction.put(b"a", b"theirs")
    with opened(path, create=False) as ts, pytest.raises(BackendError, match="database kairos"):
        ts.list()
    with opened(path) as ts:
        ts.insert("a", timestamp=0)
        ts.delete_all()
    with lmdb.open(str(path), subdir=False, max_dbs=1) as theirs, theirs.begin() as transaction:
        assert transaction.get(b"a") == b"theirs"


def test_the_last_to_close_closes_the_file(path):
    one, other = opened(path), opened(path)
    one.insert("a", timestamp=0)
    one.close()
    other.insert("a", timestamp=0)
    with pytest.raises(lmdb.Error, match="already open"):
        lmdb.open(str(path), subdir=False)
    other.close()
    lmdb.open(str(path), subdir=False).close()
    with opened(path) as again:
        assert again.get("a", "minute", timestamp=0) == {0: 2}


def test_a_file_that_is_open_with_other_keywords_is_an_error(path):
    with opened(path) as one, opened(path, client_config={"map_size": 2**20}) as other:
        one.insert("a", timestamp=0)
        with pytest.raises(BackendUnavailable, match="already open"):
            other.insert("a", timestamp=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 warns of what is tested here
def test_a_fork_while_threads_write(path):
    with opened(path) as ts:
        stop = threading.Event()

        def write():
            while not stop.is_set():
                ts.insert("parent", timestamp=0)

        with ThreadPoolExecutor(2) as pool:
            writers = [pool.submit(write) for _ in range(2)]
            children = []
            for _ in range(5):
                if (child := os.fork()) == 0:
                    signal.alarm(120)  # a child that waits for a thread of its parent's would wait for ever
                    ts.insert("child", timestamp=0)
                    os._exit(0)
                children.append(child)
            states = [os.waitpid(child, 0)[1] for child in children]
            stop.set()
        for writer in writers:
            writer.result()
        assert states == [0] * 5
        assert ts.get("child", "minute", timestamp=0) == {0: 5}


def test_a_fetch_may_call_other_verbs(path):
    with opened(path) as ts:
        ts.insert("a", 3, timestamp=0)

        def fetch(cells, name, interval, i_start, i_end):
            return {bucket: {resolution: data + len(ts.list())} for bucket, resolution, data in cells}

        assert ts.get("a", "minute", timestamp=0, fetch=fetch) == {0: 4}


def test_a_fetch_reads_no_more_than_it_wants(path):
    with opened(path) as ts:
        ts.bulk_insert([("a", 1, 60 * number) for number in range(100)])
        seen = []

        def first(cells, name, interval, i_start, i_end):
            seen.extend(islice(cells, 2))
            return {bucket: {resolution: data} for bucket, resolution, data in seen}

        assert sum(ts.series("a", "minute", start=0, end=6000, fetch=first).values()) == 2
        assert seen == [(0, None, 1), (1, None, 1)]


# --- What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["lmdb:", "lmdb://", "lmdb://host/x", "lmdb://u:hunter2@host/x", "lmdb:///x?sync=0", "lmdb:///x#y", "lmdb+x:///x"],
)
def test_a_bad_url(url):
    with pytest.raises(ConfigurationError, match="client: expected a URL") as caught:
        Timeseries(url, intervals=MINUTE)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["lmdb:data.lmdb", "LMDB:./data.lmdb", "lmdb:d%61ta.lmdb"])
def test_a_relative_url(url, path, monkeypatch):
    monkeypatch.chdir(path.parent)
    with Timeseries(url, type="count", intervals=MINUTE) as ts, opened(path, client_config={"sync": True}) as same:
        ts.insert("a", timestamp=0)
        assert same.list() == ["a"]


@pytest.mark.parametrize("config", [{"map_size": 0}, {"map_size": "1 GB"}, {"sync": 1}, {"subdir": True}])
def test_a_bad_keyword_of_the_client(path, config):
    with pytest.raises(ConfigurationError, match="client_config"):
        opened(path, client_config=config)


def test_a_file_that_cannot_be_opened(path):
    path.write_bytes(b"this is no database" * 1000)
    with opened(path) as ts, pytest.raises(BackendUnavailable, match=r"data\.lmdb"):
        ts.list()
    with opened(path.parent / "nowhere" / "x") as ts, pytest.raises(BackendUnavailable, match="nowhere"):
        ts.insert("a", timestamp=0)


def test_the_longest_key_fits(path):
    name, prefix = "n" * 200, "p" * 80
    interval = "i" * 200
    with opened(path, "histogram", intervals={interval: {"step": 3600, "resolution": 60}}, prefix=prefix) as ts:
        ts.insert(name, 1, timestamp=0)
        assert ts.get(name, interval, timestamp=0) == {0: {1: 1}}
    with pytest.raises(ConfigurationError, match="prefix"):
        opened(path, prefix="\u20ac" * 27)


@pytest.mark.parametrize(
    "value", [2**64, (1, 2), frozenset({1}), {"x": {1}}, datetime(2013, 1, 1, tzinfo=UTC), object(), "\ud800", 1j]
)
def test_what_cannot_be_stored_is_refused_before_anything_is_written(path, value):
    with opened(path, "gauge", value_type="any") as ts:
        with pytest.raises(InvalidValue, match="LMDB cannot hold"):
            ts.bulk_insert([("a", 1, 0), ("b", {"inner": value}, 0)])
        assert ts.list() == []


def test_whatever_is_stored_is_read_as_it_was(path):
    values = [True, -1, 2**64 - 1, 0.5, float("inf"), "", "\0", b"", [1, [2]], {"x": None, 1: b"y"}, {}]
    values += [
        Decimal("1.50"),
        date(2013, 1, 1),
        time(1, 2, 3, 4),
        datetime.fromisoformat("2013-01-01T01:02:03.000004"),
    ]
    with opened(path, "series", value_type="any") as ts:
        ts.insert("a", values, timestamp=0)
        found = ts.get("a", "minute", timestamp=0)[0]
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]
