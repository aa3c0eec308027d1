"""Real servers for tests, on loopback and free ports: started when a test first asks, ended with the tests.

``with valkey() as server:`` gives a test a server of its own, ``Lasting(valkey)`` one for all tests of a process, and
``ServerHarness(server=Lasting(valkey), environment="KAIROS_TEST_VALKEY_URL")`` runs the suite on it. A server that is
not installed raises `Missing`, with one line that says how to get it; the test is then skipped, or fails if ``CI`` is
set. One module per product, on top of `Process`. ``Lasting(partial(shared, cassandra))`` is one server for all workers
of pytest-xdist.
"""

from __future__ import annotations

from kairos_conformance.servers._cassandra import CassandraRing, CassandraServer, cassandra, cassandra_ring
from kairos_conformance.servers._mariadb import MariaDBServer, mariadb
from kairos_conformance.servers._mongo import MongoServer, secantus
from kairos_conformance.servers._policy import Lasting, Server, ServerHarness, refuse
from kairos_conformance.servers._postgresql import PostgreSQLServer, postgresql, postgresql_binaries
from kairos_conformance.servers._process import Missing, Process, free_port
from kairos_conformance.servers._redis import (
    RedisCluster,
    RedisSentinel,
    RedisServer,
    redis_binary,
    redis_cluster,
    redis_sentinel,
    redis_server,
    valkey,
    valkey_binary,
)
from kairos_conformance.servers._shared import Shared, shared

__all__ = [
    "CassandraRing",
    "CassandraServer",
    "Lasting",
    "MariaDBServer",
    "Missing",
    "MongoServer",
    "PostgreSQLServer",
    "Process",
    "RedisCluster",
    "RedisSentinel",
    "RedisServer",
    "Server",
    "ServerHarness",
    "Shared",
    "cassandra",
    "cassandra_ring",
    "free_port",
    "mariadb",
    "postgresql",
    "postgresql_binaries",
    "redis_binary",
    "redis_cluster",
    "redis_sentinel",
    "redis_server",
    "refuse",
    "secantus",
    "shared",
    "valkey",
    "valkey_binary",
]
