"""The conformance suite on Cassandra, by a session of the user's, for both colours; the wheels run it by URL."""

import atexit
import os
from contextlib import contextmanager
from functools import cached_property, partial
from urllib.parse import urlsplit

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy

from kairos_conformance import BackendSuite
from kairos_conformance.servers import Lasting, ServerHarness, cassandra, shared

SERVER = Lasting(partial(shared, cassandra))
KEYSPACE = f"kairos_conformance_{os.getpid()}"
# Told of a new table, the driver asks for it after a random time, in a thread of its own; hypothesis takes that for a
# test that is not deterministic.
QUIETLY = {"schema_event_refresh_window": -1}


def with_keyspace(url):
    """The URL of the server with a keyspace of this process's own, since several share a server."""
    return urlsplit(url)._replace(path=f"/{KEYSPACE}", query="create_keyspace=1&timeout=60&connect_timeout=60").geturl()


def fetch(columns, add):
    """The built-in read, by hand."""

    def read(connection, table, name, interval, i_start, i_end):  # noqa: PLR0917 - as the seed has it
        rows = connection.execute(
            f"SELECT i_time, r_time, {columns} FROM {table} WHERE {connection.where} AND i_time >= %s AND i_time <= %s",
            (*connection.partition, i_start, i_start if i_end is None else i_end),
        )
        found = {}
        for i_time, r_time, *data in rows:
            add(found.setdefault(i_time, {}), None if r_time == -1 else r_time, *data)
        return found

    return read


FETCH = {
    "series": fetch("value", lambda cell, part, value: cell.setdefault(part, []).append(value)),
    "histogram": fetch("value, count", lambda cell, part, value, n: cell.setdefault(part, {}).update({value: n})),
    "count": fetch("count", lambda cell, part, n: cell.update({part: n})),
    "gauge": fetch("value", lambda cell, part, value: cell.update({part: value})),
    "set": fetch("value", lambda cell, part, value: cell.setdefault(part, set()).add(value)),
}


class CassandraHarness(ServerHarness):
    """By a session, which is quick to have: connecting costs a tenth of a second. Other processes come by URL."""

    def __init__(self):
        super().__init__(
            SERVER,
            "KAIROS_TEST_CASSANDRA_URL",
            to_url=with_keyspace,
            fetch=FETCH,
            # Each name costs a few statements, in the driver's Python. More than a page of rows is in test_storage.
            many=300,
            cleaning=bool(os.environ.get("KAIROS_TEST_CASSANDRA_URL")),
            unreachable="cassandra://ann:hunter2@127.0.0.1:1/kairos",
        )

    @cached_property
    def session(self):
        """A session past kairos, for as long as the process lasts."""
        parts = urlsplit(self.url)
        profile = ExecutionProfile(RoundRobinPolicy(), request_timeout=60)
        cluster = Cluster(
            [parts.hostname],
            port=parts.port,
            protocol_version=4,
            control_connection_timeout=60,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            **QUIETLY,
        )
        atexit.register(cluster.shutdown)
        session = cluster.connect()
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {KEYSPACE}"
            " WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}"
        )
        session.set_keyspace(KEYSPACE)
        return session

    @contextmanager
    def target(self, colour, run):
        yield self.session

    @contextmanager
    def plant(self):
        """A table that is not ours."""
        self.session.execute("CREATE TABLE IF NOT EXISTS kairos_foreign (name text PRIMARY KEY)")
        self.session.execute("INSERT INTO kairos_foreign (name) VALUES ('a')")
        yield lambda: [row.name for row in self.session.execute("SELECT name FROM kairos_foreign")] == ["a"]

    def stored(self, kind, prefix):
        tables = self.session.execute(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (KEYSPACE,)
        )
        names = [row.table_name for row in tables if row.table_name.startswith(f"kairos_{kind}")]
        cells = set()
        for name in names:
            if not name.endswith(("_names", "_generations")):
                rows = self.session.execute(
                    f"SELECT name, interval, i_time, r_time FROM {name} WHERE prefix = %s ALLOW FILTERING", (prefix,)
                )
                cells |= {(name, *row) for row in rows}
        return len(cells)


class TestSession(BackendSuite):
    """By a session."""

    harness = CassandraHarness()
