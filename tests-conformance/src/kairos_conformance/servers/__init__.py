"""Real servers for tests, on loopback and free ports: started when a test first asks, ended with the tests.

``with valkey() as server:`` gives a test a server of its own, ``Lasting(valkey)`` one for all tests of a process, and
``ServerHarness(server=Lasting(valkey), environment="KAIROS_TEST_VALKEY_URL")`` runs the suite on it. A server that is
not installed raises `Missing`, with one line that says how to get it; the test is then skipped, or fails if ``CI`` is
set. One module per product, on top of `Process`.
"""

from __future__ import annotations

from kairos_conformance.servers._mariadb import MariaDBServer, mariadb
from kairos_conformance.servers._mongo import MongoServer, secantus
from kairos_conformance.servers._policy import Lasting, Server, ServerHarness, refuse
from kairos_conformance.servers._postgresql import PostgreSQLServer, postgresql, postgresql_binaries
from kairos_conformance.servers._process import Missing, Process, free_port
from kairos_conformance.servers._redis import (
    RedisCluster,
    RedisSentinel,
    RedisServer,
    redis_cluster,
    redis_sentinel,
    redis_server,
    valkey,
    valkey_binary,
)

__all__ = [
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
    "free_port",
    "mariadb",
    "postgresql",
    "postgresql_binaries",
    "redis_cluster",
    "redis_sentinel",
    "redis_server",
    "refuse",
    "secantus",
    "valkey",
    "valkey_binary",
]
