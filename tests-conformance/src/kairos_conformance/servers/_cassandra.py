"""Apache Cassandra from Maven, under Java 17 or 11: one node, or a ring on 127.0.0.1, 127.0.0.2 and so on."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import struct
from collections.abc import Mapping, Sequence
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from attrs import define

from kairos_conformance.servers._certificate import certificate_for
from kairos_conformance.servers._java import jars, java
from kairos_conformance.servers._process import Closing, Missing, Process, carry_out, free_port

__all__ = ["CassandraRing", "CassandraServer", "cassandra", "cassandra_ring"]

_VERSION = "5.0.6"
_PASSWORD = "cassandra"  # noqa: S105 - of the user cassandra, whom a new node makes by itself
_QUICK = "-XX:TieredStopAtLevel=1"
# What Cassandra's own start script opens of the modules of Java.
_OPENS = [
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.management/com.sun.management.internal",
]
_EXPORTS = [
    "java.base/java.lang.ref",
    "java.base/java.lang.reflect",
    "java.base/jdk.internal.misc",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
]
_LOGGING = """
<configuration>
  <appender name="log" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{HH:mm:ss} %-5level %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="log"/></root>
</configuration>
"""


@define(eq=False, kw_only=True)
class CassandraServer(Closing):
    """One running node."""

    process: Process
    address: str
    port: int
    user: tuple[str, str] | None = None
    """Who logs in by `url`, if the node asks."""
    certificate: Path | None = None
    """With TLS: the server's certificate, which signs itself."""

    @property
    def url(self) -> str:
        """Its URL, without a keyspace."""
        return _url([self.address], self.port, self.user)

    def ask(self, statement: str | None = None, *, everywhere: bool = False) -> bytes:
        """The body of the answer to a statement, past any client library; OSError if it is an error.

        Without a statement, only log in. ``everywhere`` asks for consistency level ALL, else it is ONE.
        """
        return _ask(self, statement, level=5 if everywhere else 1)

    def stop(self) -> None:
        self.process.stop()


@define(eq=False, kw_only=True)
class CassandraRing(Closing):
    """Nodes that share the data: ``nodes[n].process`` can be killed, and started again."""

    nodes: Sequence[CassandraServer]

    @property
    def url(self) -> str:
        """The URL, with all nodes, without a keyspace."""
        return _url([node.address for node in self.nodes], self.nodes[0].port)

    def wait(self) -> None:
        """Wait until each node sees that all others are up, and all have the same schema."""
        for node in self.nodes:
            node.process.wait_until(lambda node=node: _whole(node))  # type: ignore[misc]
        version = "SELECT schema_version FROM system.local"
        self.nodes[0].process.wait_until(lambda: len({node.ask(version) for node in self.nodes}) == 1)

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def cassandra(
    *, authentication: bool = False, tls: bool = False, jvm: Sequence[str] = (_QUICK,), **settings: object
) -> CassandraServer:
    """A node on its own; ``settings`` go into its cassandra.yaml, ``jvm`` are further words for Java.

    By default Java compiles with less effort, which suits short tests; give a benchmark an empty ``jvm``.
    """
    folder, port, storage_port = Process.new_folder(), free_port(), free_port()
    # A machine that is busy with other tests is slow, not broken.
    settings = {
        f"{kind}request_timeout": "60s" for kind in ("", "read_", "range_", "write_", "counter_write_")
    } | settings
    if authentication:
        settings["authenticator"] = {"class_name": "PasswordAuthenticator"}
    if tls:
        settings["client_encryption_options"] = _encryption(folder)
    node = _node(
        folder,
        ("127.0.0.1", port, storage_port),
        seeds=["127.0.0.1"],
        jvm=jvm,
        settings=settings,
    )
    node.user = ("cassandra", _PASSWORD) if authentication else None
    node.certificate = folder / "certificate.pem" if tls else None
    node.process.start()
    return node


def cassandra_ring(size: int = 3, **settings: object) -> CassandraRing:
    """Nodes that know each other, with the same ports on addresses of their own."""
    addresses = [f"127.0.0.{number}" for number in range(1, size + 1)]
    port, storage_port = _common_port(addresses), _common_port(addresses)
    nodes = []
    for number, address in enumerate(addresses):
        # With a token given and nothing to fetch from others, all may start at the same time.
        token = -(2**63) + 2**64 * number // size + 1
        nodes.append(
            _node(
                Process.new_folder(),
                (address, port, storage_port),
                seeds=addresses,
                heap="256m",
                jvm=[_QUICK],
                settings={"cluster_name": f"kairos {storage_port}", "initial_token": str(token), **settings},
            )
        )
    ring = CassandraRing(nodes=nodes)
    try:
        for node in nodes:
            node.process.launch()
        ring.wait()
    except BaseException:
        ring.stop()
        raise
    return ring


def _node(
    folder: Path,
    where: tuple[str, int, int],
    *,
    seeds: Sequence[str],
    jvm: Sequence[str],
    settings: Mapping[str, object],
    heap: str = "512m",
) -> CassandraServer:
    address, port, storage_port = where
    program, library = java([17, 11]), jars("org.apache.cassandra", "cassandra-all", _VERSION)
    names = ["commitlog", "saved_caches", "hints", "cdc_raw"]
    configuration = {
        **{f"{name}_directory": str(folder / name) for name in names},
        "data_file_directories": [str(folder / "data")],
        "num_tokens": 1,
        "partitioner": "Murmur3Partitioner",
        # What is acknowledged survives that the node is killed; the default would lose the last tenth of a second.
        "commitlog_sync": "batch",
        "listen_address": address,
        "storage_port": storage_port,
        "rpc_address": address,
        "native_transport_port": port,
        "seed_provider": [
            {
                "class_name": "org.apache.cassandra.locator.SimpleSeedProvider",
                "parameters": [{"seeds": ",".join(f"{seed}:{storage_port}" for seed in seeds)}],
            }
        ],
        "endpoint_snitch": "SimpleSnitch",
        "auto_bootstrap": False,
        "auto_snapshot": False,
        "storage_compatibility_mode": "NONE",
        **settings,
    }
    (folder / "tmp").mkdir()
    (folder / "cassandra.yaml").write_text(json.dumps(configuration))  # which is YAML too
    (folder / "logback.xml").write_text(_LOGGING)
    properties = {
        "cassandra-foreground": "yes",
        "cassandra.config": f"file://{folder / 'cassandra.yaml'}",
        "cassandra.storagedir": str(folder),
        "cassandra.ring_delay_ms": "100",
        "cassandra.skip_wait_for_gossip_to_settle": "0",
        "cassandra.superuser_setup_delay_ms": "0",
        "java.io.tmpdir": str(folder / "tmp"),
        "jdk.attach.allowAttachSelf": "true",
        "logback.configurationFile": str(folder / "logback.xml"),
    }
    command = [program, f"-Xms{heap}", f"-Xmx{heap}", "-XX:+UseSerialGC"]
    command += [f"--add-opens={package}=ALL-UNNAMED" for package in _OPENS]
    command += [f"--add-exports={package}=ALL-UNNAMED" for package in _EXPORTS]
    command += [f"-D{name}={value}" for name, value in properties.items()]
    command += [*jvm, "-cp", f"{library}/*", "org.apache.cassandra.service.CassandraDaemon"]
    process = Process(
        command=command,
        folder=folder,
        ready=lambda: node.ask() is not None,
        timeout=180,
        ending=signal.SIGKILL,  # it takes five seconds to end by itself, for data that nobody wants
    )
    node = CassandraServer(process=process, address=address, port=port)
    return node


def _encryption(folder: Path) -> dict[str, object]:
    certificate, store, password = certificate_for(folder), folder / "store.p12", "kairos"
    command = ["openssl", "pkcs12", "-export", "-in", str(certificate), "-inkey", str(folder / "key.pem")]
    command += ["-out", str(store), "-passout", f"pass:{password}"]
    carry_out(command, folder=folder)
    return {"enabled": True, "keystore": str(store), "keystore_password": password, "store_type": "PKCS12"}


def _common_port(addresses: Sequence[str]) -> int:
    """A port that is free on all of these addresses."""
    while True:
        port = free_port()
        try:
            for address in addresses:
                with socket.socket() as probe:
                    probe.bind((address, port))
        except OSError as error:
            if address != addresses[0] and not _is_ours(address):
                raise Missing(f"no address {address} for a ring: sudo ifconfig lo0 alias {address}") from error
            continue
        return port


def _is_ours(address: str) -> bool:
    try:
        with socket.socket() as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _url(addresses: Sequence[str], port: int, user: tuple[str, str] | None = None) -> str:
    before = "" if user is None else f"{user[0]}:{user[1]}@"
    return f"cassandra://{before}{','.join(addresses)}:{port}"


def _whole(node: CassandraServer) -> bool:
    """Whether a node sees all others: this table has three replicas, or as many as there are nodes."""
    return node.ask("SELECT * FROM system_distributed.view_build_status LIMIT 1", everywhere=True) is not None


# --- The native protocol, version 4: as much of it as shows that a node answers. -----------------------------------

_ERROR, _STARTUP, _AUTHENTICATE, _QUERY, _AUTH_RESPONSE = 0x00, 0x01, 0x03, 0x07, 0x0F


def _ask(node: CassandraServer, statement: str | None, level: int) -> bytes:
    with _connection(node) as connection, connection.makefile("rwb") as lines:
        options = b"".join(_short(word) for word in (b"CQL_VERSION", b"3.0.0"))
        kind, body = _request(lines, _STARTUP, struct.pack(">H", 1) + options)
        if kind == _AUTHENTICATE:
            user, password = node.user or ("", "")
            _, body = _request(lines, _AUTH_RESPONSE, _long(f"\0{user}\0{password}".encode()))
        if statement is not None:
            _, body = _request(lines, _QUERY, _long(statement.encode()) + struct.pack(">HB", level, 0))
        return body


def _connection(node: CassandraServer) -> socket.socket:
    plain = socket.create_connection((node.address, node.port), timeout=10)
    if node.certificate is None:
        return plain
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain)  # which takes it over, and closes it if it fails


def _request(lines: BufferedRWPair[Any, Any], kind: int, body: bytes) -> tuple[int, bytes]:
    lines.write(struct.pack(">BBhBi", 4, 0, 0, kind, len(body)) + body)
    lines.flush()
    head = lines.read(9)
    if len(head) < 9:
        raise OSError("the node hung up")
    _, _, _, answer, length = struct.unpack(">BBhBi", head)
    reply = lines.read(length)
    if answer == _ERROR:
        raise OSError(reply[6:].decode(errors="replace"))
    return answer, reply


def _short(word: bytes) -> bytes:
    return struct.pack(">H", len(word)) + word


def _long(word: bytes) -> bytes:
    return struct.pack(">i", len(word)) + word
