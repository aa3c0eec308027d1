"""Which backend serves a URL or a client, and what is said where none does. No password is ever shown."""

import asyncio
import pickle

import pytest

from kairos import AsyncTimeseries, BackendNotFound, ConfigurationError, Timeseries
from kairos.backend import API_VERSION, Shape, StoreConfig
from kairos.memory import MemoryBackend, MemoryStore
from kairos.registry import BACKENDS, CLIENTS, entry, find_backend, register

INTERVALS = {"minute": {"step": 60}}
MEMORY = "kairos.memory:MemoryBackend"
SOURCE = """
from kairos.memory import MemoryBackend

class Backend(MemoryBackend):
    pass

class Other(MemoryBackend):
    pass

class Newer(MemoryBackend):
    api_version = 99

class Client:
    pass

function = print
"""


class Mine(MemoryBackend):
    pass


class Other(MemoryBackend):
    pass


@pytest.fixture
def written(module):
    return module("written_backend", SOURCE)


# --- By scheme ------------------------------------------------------------------------------------------------------


def test_the_memory_backend_is_installed():
    assert find_backend("memory://") == (MemoryBackend, "memory")
    assert find_backend(MemoryStore()) == (MemoryBackend, "kairos")


@pytest.mark.parametrize("url", ["made://host/path", "MADE://host", "made:", "made:/file", "made+driver://host"])
def test_a_scheme_is_looked_up_by_name(installed, written, url):
    installed.add(BACKENDS, "made", f"{written}:Backend")
    found, scheme = find_backend(url)
    assert (found.__name__, scheme) == ("Backend", "made")


def test_the_whole_scheme_goes_before_what_stands_before_the_plus(installed, written):
    installed.add(BACKENDS, "made", f"{written}:Backend")
    installed.add(BACKENDS, "made+cluster", f"{written}:Other")
    assert find_backend("made+cluster://")[0].__name__ == "Other"
    assert find_backend("made+cluster://")[1] == "made+cluster"
    assert find_backend("made+other://")[0].__name__ == "Backend"
    assert find_backend("made://")[0].__name__ == "Backend"


def test_entry_points_are_loaded_late_and_read_once(installed, written, module):
    installed.add(BACKENDS, "made", f"{written}:Backend")
    installed.add(BACKENDS, "broken", f"{module('broken_backend', '1 / 0')}:Backend")
    installed.add(BACKENDS, "missing", "nobody_has_this:Backend")
    assert find_backend("made://")[0].__name__ == "Backend"
    assert find_backend("made://")[0].__name__ == "Backend"
    assert installed.asked == 1
    for scheme, why in (("broken", "ZeroDivisionError"), ("missing", "nobody_has_this")):
        with pytest.raises(
            BackendNotFound, match=rf"the backend for '{scheme}', .* cannot be loaded: .*{why}"
        ) as caught:
            find_backend(f"{scheme}://")
        assert "made-up" in str(caught.value)
        assert caught.value.__cause__ is not None
    assert find_backend("made://")[0].__name__ == "Backend"


def test_two_distributions_that_claim_one_name(installed, written):
    installed.add(BACKENDS, "made", f"{written}:Backend", "one")
    installed.add(BACKENDS, "made", f"{written}:Other", "two")
    with pytest.raises(BackendNotFound) as caught:
        find_backend("made://")
    for words in ("'made'", f"one ({written}:Backend)", f"two ({written}:Other)", "uninstall one"):
        assert words in str(caught.value)


def test_two_distributions_that_mean_the_same_agree(installed, written):
    for distribution in ("one", "two", None):
        installed.add(BACKENDS, "made", f"{written}:Backend", distribution)
    assert find_backend("made://")[0].__name__ == "Backend"


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("function", "is not a subclass of kairos.backend.Backend"),
        ("Client", "is not a subclass of kairos.backend.Backend"),
        ("Newer", f"version 99 of the backend contract; this kairos-core has version {API_VERSION}"),
        ("nothing", "cannot be loaded"),
    ],
)
@pytest.mark.parametrize("distribution", ["made-up", None])
def test_a_backend_is_checked_when_it_is_loaded(installed, written, attribute, message, distribution):
    installed.add(BACKENDS, "made", f"{written}:{attribute}", distribution)
    with pytest.raises(BackendNotFound) as caught:
        find_backend("made://")
    assert message in str(caught.value)
    assert f"{written}:{attribute} of {distribution or 'an unknown distribution'}" in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "package"),
    [
        *(("redis", "kairos-redis"), ("rediss", "kairos-redis"), ("unix", "kairos-redis"), ("valkey", "kairos-redis")),
        *(("valkeys", "kairos-redis"), ("redis+sentinel", "kairos-redis"), ("redis+cluster", "kairos-redis")),
        *(("mongodb", "kairos-mongo"), ("mongodb+srv", "kairos-mongo"), ("postgresql", "kairos-sql")),
        *(("postgresql+asyncpg", "kairos-sql"), ("mysql", "kairos-sql"), ("mariadb", "kairos-sql")),
        *(("sqlite", "kairos-sql"), ("sqlite+aiosqlite", "kairos-sql"), ("cassandra", "kairos-cassandra")),
        ("cql", "kairos-cassandra"),
    ],
)
def test_a_scheme_that_we_know_says_what_to_install(installed, scheme, package):
    installed.add(BACKENDS, "memory", MEMORY)
    installed.add(BACKENDS, "abc", MEMORY)
    with pytest.raises(BackendNotFound) as caught:
        find_backend(f"{scheme}://host")
    assert str(caught.value) == (
        f"no backend for the URL scheme '{scheme}'; installed are: abc, memory; try: pip install {package}"
    )


def test_an_unknown_scheme_lists_what_is_installed(installed):
    with pytest.raises(ImportError, match=r"^no backend for the URL scheme 'made'; installed are: none$"):
        find_backend("made://")
    with register(Mine, schemes=["mine"]), pytest.raises(BackendNotFound, match=r"installed are: mine$"):
        find_backend("made://")


# --- By client ------------------------------------------------------------------------------------------------------


def client_of(name, *bases):
    return type("Client", bases, {"__module__": name})


def test_a_client_is_looked_up_by_the_package_of_its_class(installed, written):
    installed.add(CLIENTS, "driver", f"{written}:Backend")
    client = client_of("driver.deep.inside")
    assert find_backend(client()) == (entry(CLIENTS, "driver"), "driver")


def test_a_client_is_looked_up_along_its_bases(installed, written):
    installed.add(CLIENTS, "driver", f"{written}:Backend")
    installed.add(CLIENTS, "fake", f"{written}:Other")
    driver = client_of("driver.client")
    mine = client_of("my_project.wrapper", driver)
    fake = client_of("fake._server", driver)
    both = client_of("my_project", fake)
    assert find_backend(mine())[1] == "driver"
    assert find_backend(fake())[1] == "fake"
    assert find_backend(both())[1] == "fake"


def test_a_client_of_nobody_is_named_with_its_class(installed):
    installed.add(CLIENTS, "driver", MEMORY)
    with pytest.raises(BackendNotFound, match=r"^no backend for the client of class my_project\.Client; inst"):
        find_backend(client_of("my_project")())
    with pytest.raises(BackendNotFound, match=r"class redis\.client\.Client; .*; try: pip install kairos-redis$"):
        find_backend(client_of("redis.client")())


@pytest.mark.parametrize("client", [5, b"memory://", ["memory://"], {}, object(), print, 1.5])
def test_what_is_no_client_is_refused(client):
    with pytest.raises(BackendNotFound, match="no backend for the client of class builtins"):
        find_backend(client)


def test_builtins_cannot_be_claimed(installed):
    installed.add(CLIENTS, "builtins", MEMORY)
    with pytest.raises(BackendNotFound):
        find_backend(5)


def test_none_is_no_client():
    with pytest.raises(ConfigurationError, match=r"^client: expected a URL or a client"):
        Timeseries(None, intervals=INTERVALS)


# --- Registered in a test -------------------------------------------------------------------------------------------


def test_what_is_registered_goes_before_what_is_installed(installed, written):
    installed.add(BACKENDS, "made", f"{written}:Backend")
    with register(Mine, schemes=["made", "new"], packages=["my_project"]):
        assert find_backend("made://") == (Mine, "made")
        assert find_backend("new+driver://") == (Mine, "new")
        assert find_backend(client_of("my_project")()) == (Mine, "my_project")
        with register(Other, schemes=["made"]):
            assert find_backend("made://")[0] is Other
        assert find_backend("made://")[0] is Mine
    assert find_backend("made://")[0].__name__ == "Backend"
    with pytest.raises(BackendNotFound):
        find_backend("new://")


def test_a_claim_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), register(Mine, schemes=["made"]):
        _ = 1 / 0
    with pytest.raises(BackendNotFound):
        find_backend("made://")


@pytest.mark.parametrize("bad", [int, "x", None, MemoryStore])
def test_only_a_backend_can_be_registered(bad):
    with pytest.raises(BackendNotFound, match="not a subclass"), register(bad, schemes=["made"]):
        pass
    with pytest.raises(BackendNotFound, match="no backend"):
        find_backend("made://")


# --- Passwords ------------------------------------------------------------------------------------------------------

# What a hurried person writes: wrong, unquoted, or for a backend that is not there.
URLS = [
    *("redis://:hunter2@host", "redis://user:hunter2@host:6379/0", "rediss://user:hunter2@host?x=1", "redis:hunter2"),
    *(
        "mongodb://u:hunter2@a,b/db",
        "mongodb+srv://u:hunter2@h/?w=1",
        "cassandra://u:hunter2@h/ks",
        "nope://u:hunter2@h",
    ),
    *("//u:hunter2@h", ":hunter2@h", "redis//:hunter2@h", "1redis://u:hunter2@h", "re dis://u:hunter2@h", "hunter2@h"),
    *("://u:hunter2@h", " redis://u:hunter2@h", "\nredis://u:hunter2@h", "redis;//u:hunter2@h", "réd://u:hunter2@h"),
    *("redis://u:hun ter hunter2@h", "redis://u@x:hunter2@h", "redis://u/x:hunter2@h", "redis://u:a@hunter2@h"),
    *("redis://h?password=hunter2", "mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:hunter2", "u@h?k=hunter2"),
    *("redis://u:hunter2@[bad", "memory://u:hunter2@[bad", "memory://u:hunter2@host", "unix://:hunter2@/socket"),
]


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("colour", [Timeseries, AsyncTimeseries])
def test_no_error_and_no_repr_shows_a_password(colour, url):
    try:
        made = colour(url, intervals=INTERVALS)
    except (BackendNotFound, ConfigurationError) as error:
        shown = [str(error), repr(error), str(error.__cause__), str(error.__context__), str(vars(error))]
    else:
        with pytest.raises(ConfigurationError) as caught:
            colour(url, intervals=INTERVALS, nonsense=1)
        shown = [repr(made), str(made), repr(made.backend), repr(made.capabilities), str(caught.value)]
        shown.append(repr(made._operations))
        if closing := made.close():
            asyncio.run(closing)
    assert not [text for text in shown if "hunter2" in text]


def test_a_password_in_client_config_is_not_shown():
    with pytest.raises(ConfigurationError) as caught:
        Timeseries("memory://", intervals=INTERVALS, client_config={"password": "hunter2"})
    assert "hunter2" not in str(caught.value) + repr(caught.value.__cause__)
    with pytest.raises(ConfigurationError) as caught:
        Timeseries("memory://", intervals=INTERVALS, client_config="password=hunter2")
    assert "hunter2" not in str(caught.value)


def test_what_a_backend_is_given_does_not_show_it_either():
    secrets = {"client_config": {"password": "hunter2"}, "options": {"sentinel_password": "hunter2"}}
    assert "hunter2" not in repr(StoreConfig(prefix="", type="count", shape=Shape.COUNTER, **secrets))


def test_an_error_survives_pickling():
    with pytest.raises(BackendNotFound) as caught:
        find_backend("nope://")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
