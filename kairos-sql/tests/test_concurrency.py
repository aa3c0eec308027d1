"""Several processes and threads at the same file, from the first moment on."""

import subprocess
import sys
import threading

import pytest

from kairos import Timeseries

MINUTE = {"minute": {"step": 60}}
WRITERS, ROUNDS = 8, 25
WRITER = """
import sys
from kairos import Timeseries
url, kind, number, rounds = sys.argv[1:]
value_type = None if kind == "count" else "int"
with Timeseries(url, type=kind, value_type=value_type, intervals={"minute": {"step": 60}}) as series:
    print("ready", flush=True)
    sys.stdin.readline()
    for turn in range(int(rounds)):
        series.bulk_insert([("a", 1000 * int(number) + turn, 0), ("b", 1, 60 * turn)])
        if turn % 5 == 4:
            series.insert("gone", 1, timestamp=60 * int(number))
            series.delete("gone")
"""


@pytest.mark.processes
@pytest.mark.parametrize("kind", [pytest.param("count", marks=pytest.mark.full), "series"])
def test_eight_processes_begin_at_once_on_a_file_that_is_not_there(url, kind):
    """Each finds no table and makes it, and switches the file to WAL: none fails, and nothing is lost."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, kind, str(number), str(ROUNDS)],
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
        _, errors = writer.communicate(timeout=120)
        assert writer.returncode == 0, errors
    values = [1000 * number + turn for number in range(WRITERS) for turn in range(ROUNDS)]
    with Timeseries(url, type=kind, value_type=None if kind == "count" else "int", intervals=MINUTE) as series:
        found = series.get("a", "minute", timestamp=0)[0]
        assert (found if kind == "count" else sorted(found)) == (sum(values) if kind == "count" else values)
        each = WRITERS if kind == "count" else [1] * WRITERS
        assert series.series("b", "minute", start=0, end=60 * ROUNDS - 1) == dict.fromkeys(
            range(0, 60 * ROUNDS, 60), each
        )
        assert series.list() == ["a", "b"]


@pytest.mark.processes
def test_threads_share_a_timeseries_and_see_whole_batches(url):
    """A reader sees all of a batch, or nothing of it."""
    with Timeseries(url, type="count", intervals=MINUTE) as count:
        batch = [("a", 1, second) for second in range(0, 3000, 60)]
        count.bulk_insert(batch)
        wrong, done = [], threading.Event()

        def read():
            while not done.is_set():
                found = set(count.series("a", "minute", start=0, end=2999).values())
                if len(found) != 1:
                    wrong.append(found)

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(30):
            count.bulk_insert(batch)
        done.set()
        for reader in readers:
            reader.join()
        assert not wrong
        assert count.get("a", "minute", timestamp=0) == {0: 31}
