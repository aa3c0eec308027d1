"""Clients, databases and sessions of the user's; URLs, event loops and write concerns."""

import asyncio
import gc
import socket
import warnings
from contextlib import ExitStack

import pytest
from pymongo import AsyncMongoClient, MongoClient, ReadPreference, WriteConcern, errors, monitoring

import kairos

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}


def opened(both, url):
    """A client of the user's in this colour."""
    return (AsyncMongoClient if both.asynchronous else MongoClient)(url)


def test_a_client_a_database_and_a_url(both, url, server_url):
    """All lead to the same data; the database is the client's own, else the one that is named, else ``kairos``."""
    client, bare = opened(both, url), opened(both, server_url)
    name = client.get_default_database().name
    both.run(both.open(url).insert("a", timestamp=T0))
    for target, options in ((client, {}), (client[name], {}), (bare, {"database": name})):
        timeseries = both.open(target, **options)
        assert not timeseries.backend.owns_client
        both.run(timeseries.insert("a", timestamp=T0))
    assert both.run(both.open(url).get("a", "minute", timestamp=T0)) == {T0: 4}
    assert both.open(bare).backend._database.name == "kairos"
    for one in (client, bare):
        both.run(one.close())


def test_a_client_is_never_closed(both, url):
    """Who opens closes."""
    client = opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.insert("a"))
    both.run(timeseries.close())
    assert both.run(client.admin.command("ping"))["ok"]
    both.run(client.close())
    assert both.open(url).backend.owns_client


def test_a_client_of_the_other_colour(both, url):
    """A ConfigurationError that names its class (semantics 6)."""
    other = (MongoClient if both.asynchronous else AsyncMongoClient)(url, connect=False)
    for target in (other, other.get_default_database()):
        with pytest.raises(kairos.ConfigurationError, match=rf"^client: .*{type(target).__qualname__}"):
            both.open(target)
    both.run(both.open(url).list())


def test_what_is_no_client(both, database):
    """A collection is not a client: which one is used is the business of ``collection``."""
    with pytest.raises(kairos.ConfigurationError, match=r"^client: .*Collection"):
        both.open(database["mine"])


def test_a_database_is_named_once(both, url):
    """``database`` beside a Database would be ambiguous."""
    client = opened(both, url)
    with pytest.raises(kairos.ConfigurationError, match=r"^database: "):
        both.open(client["one"], database="other")
    with pytest.raises(kairos.ConfigurationError, match=r"^database: "):
        both.open(client, database="a b")
    with pytest.raises(kairos.ConfigurationError, match=r"^nonsense: unknown key"):
        both.open(client, nonsense=1)
    both.run(client.close())


@pytest.mark.parametrize(
    "bad",
    [
        "mongodb://ann:hunter2@host:port/db",
        "mongodb://ann:hun/ter2@host/db",
        "mongodb://ann:hunter2@",
        "mongodb://ann:hunter2@host/db?nonsense=hunter2",
        "mongodb://ann:hunter2@host/db?serverSelectionTimeoutMS=soon",
    ],
)
def test_a_bad_url(both, bad):
    """A ConfigurationError without the password, when the Timeseries is made."""
    with pytest.raises(kairos.ConfigurationError, match=r"^client: ") as caught:
        both.open(bad)
    error = caught.value
    assert "hunter2" not in f"{error!r} {error.__cause__!r}"
    assert "ter2" not in str(error)


def test_a_bad_client_config(both, url):
    """What the driver does not know is a ConfigurationError."""
    with pytest.raises(kairos.ConfigurationError, match="client_config"):
        both.open(url, client_config={"nonsense": 1})


def test_client_config_reaches_the_driver(both, url):
    """Its keywords are those of the client's constructor (semantics 2.1)."""
    config = {"appname": "mine", "retryWrites": False}
    timeseries = both.open(url, client_config=config)
    assert timeseries.backend._database.client.options.pool_options.appname == "mine"
    assert config == {"appname": "mine", "retryWrites": False}
    both.run(timeseries.insert("a"))


def test_an_srv_url_is_not_looked_up_by_the_constructor(both):
    """Its names are asked for by the first verb, and what DNS says is an error of ours."""
    timeseries = both.open("mongodb+srv://ann:hunter2@nowhere.invalid/db?serverSelectionTimeoutMS=200")
    with pytest.raises(kairos.BackendUnavailable) as caught:
        both.run(timeseries.list())
    assert "hunter2" not in f"{caught.value!r} {caught.value.__cause__!r}"


def test_an_unacknowledged_write_concern_is_refused(both, url):
    """With w=0 a failed write would be lost in silence."""
    client = opened(both, url)
    for target in (f"{url}?w=0", client.get_default_database(write_concern=WriteConcern(w=0))):
        with pytest.raises(kairos.ConfigurationError, match=r"^client: with w=0"):
            both.open(target)
    both.run(client.close())


def test_the_settings_of_a_database_are_kept(both, url):
    """Write concern and read preference of the user's are used."""
    client = opened(both, url)
    database = client.get_default_database().with_options(
        write_concern=WriteConcern(w=1, j=True), read_preference=ReadPreference.NEAREST
    )
    timeseries = both.open(database)
    collection = timeseries.backend._collection()
    assert collection.write_concern == WriteConcern(w=1, j=True)
    assert collection.read_preference == ReadPreference.NEAREST
    both.run(timeseries.insert("a", timestamp=T0))
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    both.run(client.close())


# --- Sessions and transactions --------------------------------------------------------------------------------------


def every_verb(timeseries, session):
    return [
        lambda: timeseries.insert("a", timestamp=T0, session=session),
        lambda: timeseries.bulk_insert([("a", 1, T0)], session=session),
        lambda: timeseries.get("a", "minute", session=session),
        lambda: timeseries.series("a", "minute", session=session),
        lambda: timeseries.list(session=session),
        lambda: timeseries.properties("a", session=session),
        lambda: timeseries.delete("a", session=session),
        lambda: timeseries.delete_all(session=session),
    ]


async def iterated(timeseries, session):
    return [item async for item in timeseries.iterate("a", "minute", session=session)]


def test_a_transaction(both, url):
    """All verbs take part in a transaction of the user's: they see what it wrote, others do not, and nothing is left of
    one that is aborted."""
    client = opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.insert("a", timestamp=T0))

    session = both.run(client.start_session())
    both.run(session.start_transaction())
    both.run(timeseries.insert("a", 4, timestamp=T0, session=session))
    both.run(timeseries.bulk_insert([("b", 7, T0), ("b", 7, T0 + 60)], session=session))
    assert both.run(timeseries.get("a", "minute", timestamp=T0, session=session)) == {T0: 5}
    assert both.run(timeseries.series("b", "minute", start=T0, end=T0 + 60, session=session)) == {T0: 7, T0 + 60: 7}
    assert both.run(timeseries.list(session=session)) == ["a", "b"]
    assert both.run(timeseries.properties("b", session=session)) == {"minute": {"first": T0, "last": T0 + 60}}
    if both.asynchronous:
        assert both.run(iterated(timeseries, session)) == [(T0, 5)]
    else:
        assert list(timeseries.iterate("a", "minute", session=session)) == [(T0, 5)]
    assert both.run(timeseries.delete("b", session=session)) == 2
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    both.run(session.abort_transaction())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}

    both.run(session.start_transaction())
    both.run(timeseries.insert("a", 4, timestamp=T0, session=session))
    both.run(session.commit_transaction())
    both.run(session.end_session())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 5}
    assert both.run(timeseries.list()) == ["a"]
    both.run(client.close())


def test_an_error_in_a_transaction(both, url):
    """It aborts the whole, so nothing was written, and that is certain."""
    client = opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.bulk_insert([("a", 1, T0), ("full", 2**63 - 1, T0)]))
    session = both.run(client.start_session())
    both.run(session.start_transaction())
    with pytest.raises(kairos.CountOverflow) as caught:
        both.run(timeseries.bulk_insert([("a", 1, T0), ("full", 1, T0)], session=session))
    assert not caught.value.outcome_unknown
    both.run(session.abort_transaction())
    both.run(session.end_session())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    both.run(client.close())


@pytest.mark.parametrize("how", [{"errorCode": 112}, {"closeConnection": True}], ids=["conflict", "connection"])
def test_with_transaction_repeats_what_may_be_repeated(both, failing, how):
    """PyMongo decides by the class and the labels of what the callback raises, so ours has both."""
    url, fail = failing
    client = opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.insert("a", timestamp=T0))
    tries = []

    def write(session):
        tries.append(session)
        return timeseries.insert("a", 4, timestamp=T0, session=session)

    async def write_later(session):
        return await write(session)

    session = both.run(client.start_session())
    fail(1, failCommands=["update"], **how, errorLabels=["TransientTransactionError"])
    both.run(session.with_transaction(write_later if both.asynchronous else write))
    assert len(tries) == 2
    both.run(session.end_session())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 5}
    both.run(client.close())


def test_the_first_insert_may_be_in_a_transaction(both, url):
    """The collection and its indexes are made outside of it."""
    client = opened(both, url)
    timeseries = both.open(client)
    session = both.run(client.start_session())
    both.run(session.start_transaction())
    both.run(timeseries.insert("a", timestamp=T0, session=session))
    both.run(session.commit_transaction())
    both.run(session.end_session())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    both.run(client.close())


def test_a_session_that_does_not_fit(both, url):
    """An InvalidValue before anything is sent, in every verb: of another client, ended, or none at all."""
    client, other = opened(both, url), opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.insert("a", timestamp=T0))
    foreign = both.run(other.start_session())
    ended = both.run(client.start_session())
    both.run(ended.end_session())
    for session, message in ((foreign, "another client"), (ended, "ended"), ("x", "expected"), (client, "expected")):
        for verb in every_verb(timeseries, session):
            with pytest.raises(kairos.InvalidValue, match=f"^session: .*{message}"):
                both.run(verb())
    both.run(foreign.end_session())
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    for one in (client, other):
        both.run(one.close())


def test_an_unknown_keyword_of_a_verb(both, url):
    """It is named."""
    timeseries = both.open(url)
    with pytest.raises(TypeError, match="nonsense"):
        both.run(timeseries.insert("a", nonsense=1))


class Preferences(monitoring.CommandListener):
    """Where the reads of a client went: each by its command and read preference."""

    def __init__(self):
        self.seen = []

    def started(self, event):
        given = event.command.get("$readPreference", {"mode": "primary"})["mode"]
        self.seen.append((event.command_name, given))

    def succeeded(self, event):
        pass

    failed = succeeded


def test_what_a_write_depends_on_is_read_from_the_primary(both, url):
    """Whatever the read preference: a secondary that lags would name a chunk that is taken, or a collection that is not
    there yet."""
    listener = Preferences()
    options = {"event_listeners": [listener], "readPreference": "secondaryPreferred"}
    timeseries = both.open(url, "series", client_config=options)
    for _ in range(3):
        both.run(timeseries.insert("a", ["x" * 2**20] * 7, timestamp=T0))
    finds = [mode for command, mode in listener.seen if command == "find"]
    assert len(finds) > 1
    assert "secondaryPreferred" not in finds
    (found,) = both.run(timeseries.get("a", "minute", timestamp=T0)).values()
    assert len(found) == 21
    assert ("find", "secondaryPreferred") in listener.seen


# --- Event loops ----------------------------------------------------------------------------------------------------


def test_a_second_event_loop(url):
    """PyMongo's asynchronous client serves one loop; the error says so, and what to do."""
    timeseries = kairos.AsyncTimeseries(url, type="count", intervals=MINUTE)

    async def use(timeseries):
        await timeseries.insert("a")

    asyncio.run(use(timeseries))
    with pytest.raises(kairos.BackendError, match=r"AsyncTimeseries in each asyncio\.run"):
        asyncio.run(use(timeseries))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del timeseries
        gc.collect()


def test_the_client_may_be_made_outside_of_a_loop(both, url):
    """So may the Timeseries; both are first used inside."""
    client = opened(both, url)
    timeseries = both.open(client)
    both.run(timeseries.insert("a", timestamp=T0))
    assert both.run(timeseries.get("a", "minute", timestamp=T0)) == {T0: 1}
    both.run(client.close())


def test_why_the_warning_of_a_socket_is_ignored():
    """PyMongo alone leaves one unclosed: when that is mended, the filter in conftest.py has no more reason."""
    with socket.socket() as silent, ExitStack() as waiting:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(3):  # more than it lets wait, so that the next one is not answered
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(silent.getsockname())

        async def connect():
            async with AsyncMongoClient(*silent.getsockname(), serverSelectionTimeoutMS=100) as client:
                with pytest.raises(errors.ServerSelectionTimeoutError):
                    await client.admin.command("ping")

        gc.collect()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            asyncio.run(connect())
            gc.collect()
    assert any(str(one.message).startswith("unclosed <socket") for one in caught)
