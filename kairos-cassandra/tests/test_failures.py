"""What fails: schemas, keyspaces, sessions, connections, passwords. Nothing is lost or counted twice unsaid."""

import asyncio
import socket
import threading
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
from cassandra.cluster import Cluster
from cassandra.query import dict_factory, named_tuple_factory

import kairos
from kairos import BackendError, BackendUnavailable, ConfigurationError, InvalidValue
from kairos_conformance.servers import Missing, cassandra, refuse

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}


def keyspace_of(url, name):
    return urlsplit(url)._replace(path=f"/{name}").geturl()


# --- Schemas --------------------------------------------------------------------------------------------------------


def test_a_missing_keyspace(url, both):
    ts = both.open(keyspace_of(url, "kairos_nowhere"))
    assert both.run(ts.list()) == []
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: 0}
    with pytest.raises(BackendError, match=r"keyspace 'kairos_nowhere' is missing.*create_keyspace") as caught:
        both.run(ts.insert("a"))
    assert not caught.value.outcome_unknown


def test_a_keyspace_that_kairos_makes(url, blocking, session):
    name = f"{session.keyspace}_made"
    try:
        for create in (1, {"datacenter1": 1}):
            ts = blocking.open(keyspace_of(url, name), create_keyspace=create)
            ts.insert("a", timestamp=T0)
            assert ts.list() == ["a"]
        found = session.execute("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (name,))
        assert found.one()[0] == {
            "class": "org.apache.cassandra.locator.NetworkTopologyStrategy",
            "datacenter1": "1",
        }
    finally:
        session.execute(f"DROP KEYSPACE IF EXISTS {name}")


def test_with_create_false_nothing_is_made(url, both, session):
    ts = both.open(url, table_name="never_made", create=False, create_keyspace=1)
    for call in (lambda: ts.insert("a"), ts.list, lambda: ts.get("a", "minute"), ts.expire):
        with pytest.raises(BackendError, match=r"never_made.* is missing, and create=False"):
            both.run(call())
    tables = session.execute(
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (session.keyspace,)
    )
    assert not [row for row in tables if row.table_name.startswith("never_made")]


def test_a_table_of_another_type_or_value_type(url, both, session):
    both.run(both.open(url, "gauge", value_type="int", table_name="taken").insert("a", 1, timestamp=T0))
    session.execute("CREATE TABLE IF NOT EXISTS foreign_table (name text PRIMARY KEY)")
    for table, kind, value_type in (
        ("taken", "gauge", "str"),
        ("taken", "series", "int"),
        ("taken", "count", None),
        ("foreign_table", "gauge", "int"),
        ("taken_names", "set", "int"),
    ):
        ts = both.open(url, kind, value_type=value_type, table_name=table)
        for call in (ts.list, lambda ts=ts: ts.insert("a", 1)):
            with pytest.raises(ConfigurationError, match=r"^table_name: .* not a table of kairos for this type"):
                both.run(call())


def test_table_options_are_the_tables(url, blocking, session):
    options = {
        "compaction": {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": "DAYS",
            "compaction_window_size": 7,
        },
        "comment": "it's'; --",
        "gc_grace_seconds": 3600,
        "caching": {"keys": "ALL", "rows_per_partition": "NONE"},
        "bloom_filter_fp_chance": 0.05,
    }
    blocking.open(url, "set", table_name="tuned", table_options=options).insert("a", 1, timestamp=T0)
    found = session.execute(
        "SELECT * FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'tuned'", (session.keyspace,)
    ).one()
    assert found.comment == "it's'; --"
    assert (found.gc_grace_seconds, found.bloom_filter_fp_chance) == (3600, 0.05)
    assert found.compaction["class"].endswith("TimeWindowCompactionStrategy")
    assert found.compaction["compaction_window_size"] == "7"


def test_a_table_option_that_the_server_refuses(url, blocking):
    ts = blocking.open(url, "set", table_name="untuned", table_options={"compaction": {"class": "NoSuchStrategy"}})
    with pytest.raises(BackendError, match="NoSuchStrategy"):
        ts.insert("a", 1, timestamp=T0)


# --- Values ---------------------------------------------------------------------------------------------------------


def test_a_ttl_of_more_than_20_years_is_refused_before_anything_is_sent(url, both):
    ts = both.open(url, "gauge", {"year": {"step": "yearly", "steps": 10}, "all": {"step": "yearly"}})
    future = 4_000_000_000
    with pytest.raises(ValueError, match=f"timestamp {future}: .* interval 'year'"):
        both.run(ts.bulk_insert([("a", 1, None), ("a", 1, future)]))
    assert both.run(ts.list()) == []
    # By a clock of the caller's it looks possible; that of this process is the one for the server.
    ahead = both.open(url, "gauge", {"year": {"step": "yearly", "steps": 10}}, clock=lambda: future)
    with pytest.raises(InvalidValue, match="20 years"):
        both.run(ahead.insert("a", 1))
    assert both.run(ahead.list()) == []


def test_an_increment_of_more_than_64_bits_is_refused(url, both):
    ts = both.open(url)
    both.run(ts.insert("a", 2**63 - 1, timestamp=T0))
    for value in (2**63, 0.5):
        with pytest.raises(ValueError, match=r"^count 'a'"):
            both.run(ts.insert("a", value, timestamp=T0))
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: 2**63 - 1}


# --- Sessions -------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(url):
    """Makes clusters of the user's."""
    parts = urlsplit(url)
    made = []

    def make(**keywords):
        made.append(Cluster([parts.hostname], port=parts.port, protocol_version=4, **keywords))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()


def test_what_is_prepared_on_a_session_serves_all_timeseries(session, both, monkeypatch):
    asked = []
    prepare = session.prepare
    monkeypatch.setattr(session, "prepare", lambda text: asked.append(text) or prepare(text))
    table = f"prepared_{both.prefix}"
    for consistency in ("LOCAL_ONE", "LOCAL_ONE", "ONE"):
        ts = both.open(session, "set", table_name=table, consistency=consistency)
        both.run(ts.insert("a", 1, timestamp=T0))
        assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: {1}}
        asked.append("end")
    first = asked.index("end")
    second = asked.index("end", first + 1)
    assert first > 3
    assert asked[first + 1 : second] == []  # the same again
    assert len(asked) > second + 2  # another level is another statement


def test_a_session_serves_both_colours_and_stays_open(session, prefix):
    with kairos.Timeseries(session, intervals=MINUTE, prefix=prefix) as ts:
        ts.insert("a", [1, 2], timestamp=T0)

    async def read():
        async with kairos.AsyncTimeseries(session, intervals=MINUTE, prefix=prefix) as ts:
            return await ts.get("a", "minute", timestamp=T0)

    assert asyncio.run(read()) == {T0: [1, 2]}
    assert session.execute("SELECT key FROM system.local").one().key == "local"


def test_a_session_without_execution_profiles(cluster, both, session):
    legacy = cluster(control_connection_timeout=60, load_balancing_policy=None)
    old = legacy.connect(session.keyspace)
    old.default_timeout = 60
    old.row_factory = named_tuple_factory
    ts = both.open(old)
    both.run(ts.insert("a", timestamp=T0))
    assert both.run(ts.get("a", "minute", timestamp=T0)) == {T0: 1}
    old.row_factory = dict_factory
    with pytest.raises(ConfigurationError, match="row_factory"):
        both.run(both.open(old).list())


def test_a_session_that_was_shut_down(cluster, both, session):
    mine = cluster(control_connection_timeout=60).connect(session.keyspace)
    ts = both.open(mine)
    both.run(ts.insert("a", timestamp=T0))
    mine.cluster.shutdown()
    with pytest.raises(BackendError):
        both.run(ts.insert("a", timestamp=T0))
    with pytest.raises(BackendError):
        both.run(ts.get("a", "minute", timestamp=T0))


# --- Connections ----------------------------------------------------------------------------------------------------


def test_nobody_answers(both):
    ts = both.open("cassandra://ann:hunter2@127.0.0.1:1,127.0.0.1:2/k")
    for call in (ts.list, lambda: ts.insert("a"), lambda: ts.get("a", "minute")):
        with pytest.raises(BackendUnavailable) as caught:
            both.run(call())
        assert not caught.value.outcome_unknown
        assert "hunter2" not in repr(caught.value) + str(caught.value) + str(caught.value.__cause__)


class Proxy:
    """Passes bytes on, until it is told to swallow what the server says next and hang up."""

    def __init__(self, address):
        self.swallowing = False
        self._address = address
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._address)
                self._sockets += [near, far]
                for source, sink, replies in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self._pass, args=(source, sink, replies), daemon=True).start()

    def _pass(self, source, sink, replies):
        with suppress(OSError):
            while data := source.recv(65_536):
                if replies and self.swallowing:
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def proxy(url):
    parts = urlsplit(url)
    found = Proxy((parts.hostname, parts.port))
    yield found
    found.close()


@pytest.mark.parametrize("kind", ["count", "histogram"])
def test_a_lost_answer_to_an_increment_is_not_repeated(url, both, proxy, kind, monkeypatch):
    direct = both.open(url, kind)
    both.run(direct.insert("a", 1, timestamp=T0))
    ts = both.open(urlsplit(url)._replace(netloc=f"127.0.0.1:{proxy.port}").geturl(), kind)
    both.run(ts.insert("a", 1, timestamp=T0))
    send = type(ts.backend._link).send

    def swallowed(self, statements, **keywords):
        if keywords.get("writing"):
            proxy.swallowing = True
        return (yield from send(self, statements, **keywords))

    with monkeypatch.context() as patch:
        patch.setattr(type(ts.backend._link), "send", swallowed)
        with pytest.raises(BackendUnavailable, match="is not known") as caught:
            both.run(ts.insert("a", 1, timestamp=T0))
    assert caught.value.outcome_unknown
    assert both.run(direct.get("a", "minute", timestamp=T0)) == {T0: {"count": 3, "histogram": {1: 3}}[kind]}
    with pytest.raises(BackendUnavailable) as caught:
        both.run(ts.insert("a", 1, timestamp=T0))  # the generation cannot be read
    assert not caught.value.outcome_unknown


@pytest.mark.full
def test_credentials_and_tls(tmp_path):
    try:
        server = cassandra(authentication=True, tls=True)
    except Missing as error:
        refuse(str(error))
    with server:
        certificate, address = server.certificate, f"127.0.0.1:{server.port}"
        query = f"create_keyspace=1&ssl_ca={certificate}&timeout=60&connect_timeout=60"
        user, password = server.user
        open_series = partial(kairos.Timeseries, type="count", intervals=MINUTE)
        with open_series(f"cassandra://{user}:{password}@{address}/k?{query}") as ts:
            ts.insert("a", timestamp=T0)
            assert ts.get("a", "minute", timestamp=T0) == {T0: 1}
        with (
            open_series(f"cassandra://{user}:hunter2@{address}/k?{query}") as ts,
            pytest.raises(BackendError, match="refuses these credentials") as caught,
        ):
            ts.list()
        assert not isinstance(caught.value, BackendUnavailable)
        assert "hunter2" not in str(caught.value) + str(caught.value.__cause__)
        with open_series(f"cassandra://{address}/k?ssl_verify=false") as ts, pytest.raises(BackendError):
            ts.list()
        with (
            open_series(f"cassandra://{user}:{password}@{address}/k?ssl=true") as ts,
            pytest.raises(BackendUnavailable),
        ):
            ts.list()  # nobody vouches for this certificate
