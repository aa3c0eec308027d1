"""What a ring of three nodes holds while nodes die, freeze and return: three replicas of everything, and QUORUM."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, ResponseFuture, Session
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import BoundStatement

from kairos import Timeseries
from kairos.errors import BackendError, BackendUnavailable
from kairos_conformance.servers import CassandraRing, CassandraServer, Missing, cassandra_ring, refuse

pytestmark = [pytest.mark.ring, pytest.mark.full]

START = 1_700_000_040  # where a minute begins
MINUTE = {"minute": {"step": 60}}
WRITERS = 4
BEFORE, AFTER = 40, 80
"""How many writes of each writer are acknowledged before a node is killed, and with it dead."""
PATIENCE = 120


@pytest.fixture
def ring() -> Iterator[CassandraRing]:
    try:
        found = cassandra_ring(phi_convict_threshold=5)
    except Missing as error:
        refuse(str(error))
    with found:
        yield found


@pytest.fixture
def opened(ring: CassandraRing) -> Iterator[Callable]:
    """Opens a Timeseries on the ring."""
    opened = []

    def open_(kind: str) -> Timeseries:
        url = f"{ring.url}/ring?consistency=QUORUM&create_keyspace=3"
        opened.append(Timeseries(url, type=kind, value_type=int, intervals=MINUTE))
        return opened[-1]

    yield open_
    for timeseries in opened:
        timeseries.close()


def eventually(attempt: Callable) -> object:
    """What a call gives, once it is no longer refused."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return attempt()
        except BackendError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def everything(timeseries: Timeseries, name: str) -> list[int]:
    return [value for values in timeseries.series(name, "minute", START, START + 600).values() for value in values]


class Writer(threading.Thread):
    """Inserts numbers of its own, into two names, and remembers which were acknowledged."""

    def __init__(self, timeseries: Timeseries, number: int) -> None:
        super().__init__()
        self.timeseries, self.numbers = timeseries, count(number, WRITERS)
        self.acknowledged, self.refused = {"a": [], "b": []}, {"a": [], "b": []}
        self.written = threading.Semaphore(0)
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        for number in self.numbers:
            if self.over.is_set():
                return
            name = "ab"[number // WRITERS % 2]
            try:
                self.timeseries.insert(name, number, timestamp=START + number % 600)
            except BackendUnavailable:
                self.refused[name].append(number)
            else:
                self.acknowledged[name].append(number)
                self.written.release()

    def wait(self, writes: int) -> None:
        for _ in range(writes):
            assert self.written.acquire(timeout=PATIENCE), "the writer stands still"


@contextmanager
def writing(timeseries: Timeseries) -> Iterator[list[Writer]]:
    writers = [Writer(timeseries, number) for number in range(WRITERS)]
    try:
        yield writers
    finally:
        for writer in writers:
            writer.over.set()
        for writer in writers:
            writer.join()


Check = Callable[[], None]


def a_node_is_killed_while_four_writers_insert(ring: CassandraRing, kinds: list[Timeseries]) -> Check:
    """Gives what must hold from then on."""
    for timeseries in kinds:
        timeseries.insert("a", -1, timestamp=START)  # makes the keyspace and the tables
    with writing(kinds[0]) as first, writing(kinds[1]) as second:
        for writer in first + second:
            writer.wait(BEFORE)
        ring.nodes[2].process.kill()
        for writer in first + second:
            writer.wait(AFTER // 2)
        for timeseries in kinds:  # with the writers still at it
            assert set(eventually(lambda timeseries=timeseries: everything(timeseries, "a"))) > {-1}
        for writer in first + second:
            writer.wait(AFTER // 2)

    def check() -> None:
        for timeseries, writers in zip(kinds, (first, second), strict=True):
            for name in ("a", "b"):
                found = [value for value in everything(timeseries, name) if value != -1]
                acknowledged = {number for writer in writers for number in writer.acknowledged[name]}
                maybe = {number for writer in writers for number in writer.refused[name]}
                assert acknowledged <= set(found) <= acknowledged | maybe
                assert len(found) == len(set(found))

    eventually(check)
    return check


def two_nodes_are_dead_and_return(ring: CassandraRing, kinds: list[Timeseries], check: Check) -> None:
    ring.nodes[1].process.kill()
    for timeseries in kinds:
        with pytest.raises(BackendUnavailable):
            everything(timeseries, "a")
        with pytest.raises(BackendUnavailable):
            timeseries.insert("two are dead", 1, timestamp=START)
    # Once the living node has noticed that the others are dead, a write is refused before anything is done.
    deadline, error = time.monotonic() + PATIENCE, None
    while error is None or error.outcome_unknown:
        assert time.monotonic() < deadline, error
        with pytest.raises(BackendUnavailable) as caught:
            kinds[0].insert("two are dead", 1, timestamp=START)
        error = caught.value
    assert "QUORUM" in str(error)
    for node in ring.nodes[1:]:
        node.process.launch()
    ring.wait()
    eventually(check)
    for timeseries in kinds:
        eventually(lambda timeseries=timeseries: timeseries.insert("all are back", 7, timestamp=START))
        assert set(everything(timeseries, "all are back")) == {7}


def counters_that_time_out_are_not_repeated(ring: CassandraRing) -> None:
    first, *others = ring.nodes
    profile = ExecutionProfile(WhiteListRoundRobinPolicy([first.address]), request_timeout=30)
    with Cluster([first.address], port=first.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile}) as cluster:
        session = cluster.connect("ring")
        with Timeseries(session, type="count", intervals=MINUTE, consistency="QUORUM") as counts:
            # The first node lets one of the three, by chance, add first: for some of the names that is itself,
            # unless it is so busy that it gives up before it has added anything.
            for attempt in range(10):
                names = [f"name {number} of {attempt}" for number in range(60)]
                counts.bulk_insert([(name, 1, START) for name in names])
                with freezing_at_a_counter(session, others):
                    with pytest.raises(BackendUnavailable, match="not known") as caught:
                        counts.bulk_insert([(name, 1_000, START) for name in names])
                    assert caught.value.outcome_unknown
                ring.wait()
                found = eventually(lambda names=names: [counts.get(name, "minute", START)[START] for name in names])
                assert set(found) <= {1, 1_001}
                if 1_001 in found:  # the first node has added; a second time would show
                    return
            pytest.fail("the first node has never added")


@contextmanager
def freezing_at_a_counter(session: Session, nodes: list[CassandraServer]) -> Iterator[None]:
    """Freeze nodes when the session is about to send the first addition: what comes before it has succeeded."""
    stopped = set()

    def about_to_send(request: ResponseFuture) -> None:
        if isinstance(request.query, BoundStatement) and "count + ?" in request.query.prepared_statement.query_string:
            for pid in {node.process.pid for node in nodes} - stopped:
                os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)

    session.add_request_init_listener(about_to_send)
    try:
        yield
        assert stopped
    finally:
        session.remove_request_init_listener(about_to_send)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_ring_of_three(ring: CassandraRing, opened: Callable) -> None:
    """One ring for all, since it takes long to start."""
    kinds = [opened("series"), opened("set")]
    check = a_node_is_killed_while_four_writers_insert(ring, kinds)
    two_nodes_are_dead_and_return(ring, kinds, check)
    counters_that_time_out_are_not_repeated(ring)
