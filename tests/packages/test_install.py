"""The wheels alone, installed as a user would, in an environment of their own, with no index to ask.

`make test-packages` builds the wheels and fetches what they require: the lowest versions that we allow, and the newest.
"""

import os
import shlex
import subprocess
import sys
import textwrap
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from kairos_conformance.servers import Lasting, Server, cassandra, mariadb, postgresql, secantus, shared, valkey

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
# `make test-packages` says which; nothing else runs these.
RESOLUTIONS = os.environ.get("RESOLUTIONS", "").split()
# Which part of the suite is run.
SUITE = shlex.split(os.environ.get("SUITE", ""))

pytestmark = pytest.mark.packages

# The ten lines of a newcomer, on any store.
SCRIPT = """
    import sys
    from kairos import Timeseries

    with Timeseries(sys.argv[1], type="count", prefix="wheels", intervals={"hour": {"step": "1h"}}) as visits:
        visits.delete_all()
        visits.bulk_insert([("/home", 2, 7200), ("/home", 3, 7201), ("/about", 1, 10800)])
        print(visits.series("/home", "hour", start=7200, end=10800))
        print(visits.list())
        visits.delete_all()
"""
NO_ENGINE = """
    import kairos, sqlalchemy

    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        try:
            kairos.Timeseries(connection, intervals={"hour": {"step": "1h"}})
        except kairos.ConfigurationError as error:
            print(error)
"""
PRINTED = "{7200: 5, 10800: 0}\n['/about', '/home']\n"


def server(start: Callable[[], Server], environment: str, path: str = "") -> Callable[[Path], str]:
    """Give the URL of a server: the one that the variable names, or one that starts when it is first asked for."""
    lasting = Lasting(partial(shared, start))

    def locate(_: Path) -> str:
        url = os.environ.get(environment) or lasting.demand().url
        return f"{url.rstrip('/')}{path}"

    return locate


# Per store: what pip is asked for, the package to import, and where the store is.
STORES: dict[str, tuple[str, str, Callable[[Path], str]]] = {
    "memory": ("kairos-core", "kairos", lambda _: "memory://wheels"),
    "cassandra": (
        "kairos-core kairos-cassandra",
        "kairos_cassandra",
        server(cassandra, "KAIROS_TEST_CASSANDRA_URL", "/wheels?create_keyspace=1"),
    ),
    "mariadb": (
        "kairos-core kairos-sql[mysql,asyncio]",
        "kairos_sql",
        server(mariadb, "KAIROS_TEST_MARIADB_URL"),
    ),
    "mongodb": ("kairos-core kairos-mongo", "kairos_mongo", server(secantus, "KAIROS_TEST_MONGODB_URL", "/wheels")),
    "postgresql": (
        "kairos-core kairos-sql[postgresql,asyncio]",
        "kairos_sql",
        server(postgresql, "KAIROS_TEST_POSTGRESQL_URL"),
    ),
    "redis": ("kairos-core kairos-redis[hiredis]", "kairos_redis", server(valkey, "KAIROS_TEST_REDIS_URL")),
    "sqlite": ("kairos-core kairos-sql[asyncio]", "kairos_sql", lambda folder: f"sqlite:///{folder}/wheels.db"),
}
# Without the extras that the suite needs, and the examples.
PLAIN: dict[str, tuple[str, str, Callable[[Path], str]]] = {
    "lmdb": ("kairos-core kairos-lmdb", "kairos_lmdb", lambda folder: f"lmdb://{folder}/wheels.lmdb"),
    "redis": ("kairos-core kairos-redis", "kairos_redis", STORES["redis"][2]),
    "sqlite": ("kairos-core kairos-sql", "kairos_sql", STORES["sqlite"][2]),
    "stats": ("kairos-core kairos-stats", "kairos_stats", STORES["memory"][2]),
}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command outside of the checkout, with nothing of the environment of the tests in it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "COV_", "PYTHON", "VIRTUAL_ENV")) and name != "CI"
    }
    done = subprocess.run(
        command, cwd=cwd, env=kept, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout[-8000:]}"
    return done.stdout


def installed(wanted: str, package: str, url: str, resolution: str, folder: Path) -> tuple[Path, list[str | Path]]:
    """Make an environment of the wheels, and run the ten lines in it. Gives its Python, and how to install more."""
    house = DIST / "{}-{}.{}".format(resolution, *sys.version_info)
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", house, "-c", house / "pins.txt"]

    run(*install, *wanted.split(), cwd=folder)
    run(python, "-m", "pip", "check", cwd=folder)
    run(python, "-W", "error", "-c", f"import kairos, {package}", cwd=folder)
    assert run(python, "-c", textwrap.dedent(SCRIPT), url, cwd=folder) == PRINTED
    return python, install


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("store", PLAIN)
def test_what_is_installed_without_extras_works(store: str, resolution: str, tmp_path: Path) -> None:
    wanted, package, locate = PLAIN[store]
    python, _ = installed(wanted, package, locate(tmp_path), resolution, tmp_path)
    if store == "sqlite":  # SQLAlchemy 2.1 has no greenlet then
        said = run(python, "-c", textwrap.dedent(NO_ENGINE), cwd=tmp_path)
        assert said.startswith("client: expected a URL, an Engine or an AsyncEngine")


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("store", STORES)
def test_the_wheels_work_and_pass_the_suite(store: str, resolution: str, tmp_path: Path) -> None:
    wanted, package, locate = STORES[store]
    url = locate(tmp_path)
    python, install = installed(wanted, package, url, resolution, tmp_path)

    run(*install, "kairos-conformance[numpy,stateful]", cwd=tmp_path)
    suite = ["-m", "pytest", "-q", "--pyargs", "kairos_conformance.suite", "--kairos-url", url, *SUITE]
    closing = run(python, *suite, cwd=tmp_path).splitlines()[-1]
    assert " passed" in closing, closing
    print(f"{store}, {resolution}: {closing}")  # noqa: T201 - shown with -rP, in CI
