"""Races, servers that go away, users who may not, and what a retry of the driver's must not do."""

import json
import subprocess
import sys
import threading
import time

import pytest
from pymongo import MongoClient, errors

import kairos
from kairos_conformance.servers import Lasting, secantus
from kairos_mongo._errors import translation

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
QUICK = "serverSelectionTimeoutMS=500"


# --- Races ----------------------------------------------------------------------------------------------------------

WRITER = """
import json, sys
import kairos
told = json.loads(sys.stdin.readline())
with kairos.Timeseries(told["url"], type="count", intervals={"minute": {"step": 60}}) as timeseries:
    timeseries.list()
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(told["rounds"]):
        timeseries.bulk_insert([(f"n{number}", 1, told["t0"] + 60 * (number % 3)) for number in range(told["names"])])
"""


def test_eight_processes_on_an_empty_collection(url, database):
    """They make the collection, its indexes and every document at the same moment: one document per bucket, and sums
    that are exact."""
    order = {"url": url, "rounds": 3, "names": 15, "t0": T0}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    try:
        for writer in writers:
            writer.stdin.write(json.dumps(order) + "\n")
            writer.stdin.flush()
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            writer.communicate(timeout=120)
            assert writer.returncode == 0
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    found = list(database["kairos_count"].find())
    assert len(found) == order["names"]
    assert {one["value"] for one in found} == {8 * order["rounds"]}


def test_threads_that_fill_one_chunk(url, database):
    """Whoever meets the full document puts it away; nothing is lost or written twice, and each writer's values stay in
    order."""
    with kairos.Timeseries(url, type="series", intervals=MINUTE) as timeseries:
        timeseries.insert("a", ["x" * 2**20] * 15, timestamp=T0)

        def write(writer):
            for turn in range(6):
                timeseries.insert("a", f"{writer}-{turn}-".ljust(2**18, "y"), timestamp=T0)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (found,) = timeseries.get("a", "minute", timestamp=T0).values()
    assert len(found) == 15 + 24
    for writer in range(4):
        own = [value[:4] for value in found if value.startswith(f"{writer}-")]
        assert own == [f"{writer}-{turn}-" for turn in range(6)]
    assert database["kairos_series"].count_documents({"chunk": {"$lt": 0}}) >= 1


def test_a_unique_index_of_the_users_own(both, url, database):
    """A duplicate that never resolves is not tried for ever."""
    timeseries = both.open(url)
    both.run(timeseries.insert("a", timestamp=T0))
    database["kairos_count"].create_index("interval", unique=True)
    with pytest.raises(kairos.BackendError) as caught:
        both.run(timeseries.insert("a", timestamp=T0 + 60))
    assert not caught.value.outcome_unknown
    assert both.run(timeseries.get("a", "minute", timestamp=T0 + 60)) == {T0 + 60: 0}


def test_a_batch_of_which_a_part_fails(both, url):
    """The rest is written; the error says so. In a batch nothing of which was written, it says that too."""
    timeseries = both.open(url)
    both.run(timeseries.insert("full", 2**63 - 1, timestamp=T0))
    with pytest.raises(kairos.CountOverflow) as caught:
        both.run(timeseries.bulk_insert([("a", 1, T0), ("full", 1, T0), ("b", 1, T0)]))
    assert caught.value.outcome_unknown
    assert isinstance(caught.value.__cause__, errors.BulkWriteError)
    found = both.run(timeseries.get(["a", "full", "b"], "minute", timestamp=T0, join_rows=list))
    assert found == {T0: [1, 2**63 - 1, 1]}
    with pytest.raises(kairos.CountOverflow) as caught:
        both.run(timeseries.insert("full", 1, timestamp=T0))
    assert not caught.value.outcome_unknown


def test_more_cells_than_fit_into_one_request(both, url, monkeypatch):
    """They are sent in several; an error in the last one tells that the others were carried out."""
    monkeypatch.setattr("kairos_mongo._backend._UPDATES", 10)
    monkeypatch.setattr("kairos_mongo._backend._PAGE", 7)
    monkeypatch.setattr("kairos_mongo._backend._NAMES", 60)
    timeseries = both.open(url)
    names = [f"n{number:02}" for number in range(25)]
    both.run(timeseries.bulk_insert([(name, 1, T0) for name in names]))
    assert both.run(timeseries.list()) == names
    assert both.run(timeseries.get(names, "minute", timestamp=T0, join_rows=list)) == {T0: [1] * 25}
    both.run(timeseries.insert(names[-1], 2**63 - 2, timestamp=T0))
    with pytest.raises(kairos.CountOverflow) as caught:
        both.run(timeseries.bulk_insert([(name, 1, T0) for name in names]))
    assert caught.value.outcome_unknown


# --- The server goes away -------------------------------------------------------------------------------------------


def test_a_server_that_is_away(both):
    """BackendUnavailable, a ConnectionError, within the time that the user has set; nothing was sent."""
    timeseries = both.open(f"mongodb://127.0.0.1:1/?{QUICK}")
    for verb in (lambda: timeseries.insert("a"), timeseries.list, lambda: timeseries.delete("a")):
        start = time.monotonic()
        with pytest.raises(kairos.BackendUnavailable) as caught:
            both.run(verb())
        assert 0.4 < time.monotonic() - start < 3
        assert isinstance(caught.value, ConnectionError)
        assert not caught.value.outcome_unknown


def test_a_server_that_is_killed_in_the_middle_of_a_batch(both):
    """A clear error with an unknown outcome; when the server is back, every bucket was added to once or not at all, and
    the same client goes on."""
    with secantus("--sync-on-commit") as server:
        timeseries = both.open(f"{server.url}killed?serverSelectionTimeoutMS=3000")
        both.run(timeseries.insert("before", timestamp=T0))
        points = [(f"n{number % 50}", 1, T0 + 60 * (number // 50)) for number in range(4000)]  # for some seconds

        def kill():
            with MongoClient(server.url) as client:
                while client["killed"]["kairos_count"].estimated_document_count() < 10:
                    time.sleep(0.01)
            server.process.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(kairos.BackendUnavailable) as caught:
            both.run(timeseries.bulk_insert(points))
        killer.join()
        assert caught.value.outcome_unknown
        server.process.start()
        with MongoClient(server.url) as client:
            values = [one["value"] for one in client["killed"]["kairos_count"].find({"name": {"$ne": "before"}})]
        assert 0 < len(values) < len(points)
        assert set(values) <= {1}
        both.run(timeseries.insert("after", timestamp=T0))
        assert both.run(timeseries.get(["before", "after"], "minute", timestamp=T0, join_rows=list)) == {T0: [1, 1]}


@pytest.mark.parametrize("times", [1, 3])
def test_a_connection_that_breaks(both, failing, times):
    """The driver repeats a write once, as the same write, so nothing counts twice; then we say that nobody knows."""
    url, fail = failing
    timeseries = both.open(url)
    both.run(timeseries.insert("a", timestamp=T0))
    fail(times, failCommands=["update"], closeConnection=True)
    if times == 1:
        both.run(timeseries.insert("a", timestamp=T0))
    else:
        with pytest.raises(kairos.BackendUnavailable) as caught:
            both.run(timeseries.insert("a", timestamp=T0))
        assert caught.value.outcome_unknown
    fail(0)
    (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
    assert found == (2 if times == 1 else 1)


def test_without_retryable_writes_nothing_is_repeated(both, failing):
    """``retryWrites=false`` is the user's choice, and no reason for us to do it instead."""
    url, fail = failing
    timeseries = both.open(f"{url}?retryWrites=false")
    both.run(timeseries.insert("a", timestamp=T0))
    fail(1, failCommands=["update"], closeConnection=True)
    with pytest.raises(kairos.BackendUnavailable) as caught:
        both.run(timeseries.insert("a", timestamp=T0))
    assert caught.value.outcome_unknown
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}


def test_a_write_concern_that_is_not_fulfilled(both, failing):
    """The write was done and may be rolled back: an error whose outcome is unknown, never a repetition."""
    url, fail = failing
    timeseries = both.open(url)
    both.run(timeseries.insert("a", timestamp=T0))
    fail(1, failCommands=["update"], writeConcernError={"code": 64, "errmsg": "waiting for replication timed out"})
    with pytest.raises(kairos.BackendError, match="64") as caught:
        both.run(timeseries.insert("a", timestamp=T0))
    assert caught.value.outcome_unknown
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 2}


@pytest.mark.parametrize("command", ["find", "aggregate", "delete", "listIndexes", "createIndexes"])
def test_an_error_of_the_server(both, failing, command):
    """Every verb makes a BackendError of it, with the server's words."""
    url, fail = failing
    timeseries = both.open(url, prefix=command)
    if command not in ("listIndexes", "createIndexes"):
        both.run(timeseries.insert("a", timestamp=T0))
    verb = {
        "find": lambda: timeseries.get("a", "minute"),
        "aggregate": timeseries.list,
        "delete": lambda: timeseries.delete("a"),
        "listIndexes": timeseries.list,
        "createIndexes": lambda: timeseries.insert("a"),
    }[command]
    fail(1, failCommands=[command], errorCode=8000 if command == "find" else 50_000)
    with pytest.raises(kairos.BackendError, match=r"^failing\.kairos_count_") as caught:
        both.run(verb())
    assert isinstance(caught.value.__cause__, errors.OperationFailure)


# --- Who may what ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded():
    """A server that asks for a password: users are made before it does."""
    server = Lasting(lambda: secantus("--sync-on-commit")).demand()
    with MongoClient(server.url) as client:
        for name, roles in (("ann", ["readWrite"]), ("bob", ["read"])):
            client.admin.command(
                "createUser", name, pwd=f"{name}-hunter2", roles=[{"role": role, "db": "shop"} for role in roles]
            )
    server.process.kill()
    server.process.command = [*server.process.command, "--auth"]
    server.process.start()
    yield server
    server.stop()


def shop(server, user, password=None):
    return server.url_as(user, password or f"{user}-hunter2").replace("/?", "/shop?") + f"&{QUICK}"


def test_a_user_who_may_only_read(both, guarded):
    """Reads, and gets a BackendError for the rest."""
    writer, reader = both.open(shop(guarded, "ann")), both.open(shop(guarded, "bob"))
    both.run(writer.insert("a", timestamp=T0))
    assert both.run(reader.get("a", "minute", timestamp=T0))[T0] > 0
    assert both.run(reader.list()) == ["a"]
    for verb in (lambda: reader.insert("a"), lambda: reader.delete("a"), reader.delete_all):
        with pytest.raises(kairos.BackendError, match=r"(?i)not authorized") as caught:
            both.run(verb())
        assert not caught.value.outcome_unknown
    first = both.open(shop(guarded, "bob"), prefix="new")
    assert both.run(first.list()) == []
    with pytest.raises(kairos.BackendError, match=r"(?i)not authorized"):
        both.run(first.insert("a"))


def test_wrong_credentials(both, guarded):
    """A BackendError at the first verb, without the password."""
    for user, password in (("ann", "wrong-hunter2"), ("nobody", "hunter2")):
        timeseries = both.open(shop(guarded, user, password))
        for verb in (lambda: timeseries.insert("a"), timeseries.list):  # noqa: B023 - called at once
            with pytest.raises(kairos.BackendError, match="credentials") as caught:
                both.run(verb())
            assert not isinstance(caught.value, kairos.BackendUnavailable)
            assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


# --- The map of errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "expected", "unknown"),
    [
        (errors.ServerSelectionTimeoutError("away"), kairos.BackendUnavailable, False),
        (errors.AutoReconnect("broke"), kairos.BackendUnavailable, True),
        (errors.NetworkTimeout("slow"), kairos.BackendUnavailable, True),
        (errors.WaitQueueTimeoutError("busy"), kairos.BackendUnavailable, True),  # the second attempt of a write too
        (errors.ExecutionTimeout("slow", 50), kairos.BackendUnavailable, True),
        (errors.WTimeoutError("replication", 64), kairos.BackendUnavailable, True),
        (errors.WriteConcernError("replication", 100), kairos.BackendError, True),
        (errors.OperationFailure("no", 13), kairos.BackendError, False),
        (errors.OperationFailure("killed by an administrator", 11601), kairos.BackendError, True),
        (errors.OperationFailure("took too long", 262), kairos.BackendError, True),
        (errors.InvalidOperation("closed"), kairos.BackendError, False),
        (errors.DocumentTooLarge("large"), kairos.InvalidValue, False),
    ],
    ids=lambda given: f"{type(given).__name__} {given}" if isinstance(given, Exception) else None,
)
def test_what_each_error_becomes(error, expected, unknown):
    """Whether a write may have been carried out is said (semantics 3.7)."""
    found = translation(error, "here", writing=True)
    assert type(found) is expected
    assert getattr(found, "outcome_unknown", False) is unknown
    reading = translation(error, "here")
    assert isinstance(reading, kairos.BackendError)
    assert not reading.outcome_unknown
