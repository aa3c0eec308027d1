"""What list, properties and delete find: kairos's own keys, at a cost that does not depend on others."""

import time
from collections.abc import Callable

import pytest
import redis

import kairos
from kairos import Timeseries

T0 = 1_356_998_400
MINUTE = {"minute": {"step": 60}}
BOTH = {**MINUTE, "hour": {"step": 3600, "resolution": 60}}


def calls(client: redis.Redis, work: Callable[[], object]) -> dict[str, int]:
    """How often the server carried out each command, those within scripts too."""
    client.config_resetstat()
    work()
    stats = client.info("commandstats")
    return {
        name: one["calls"] for name, one in stats.items() if name not in {"cmdstat_config|resetstat", "cmdstat_info"}
    }


def test_other_keys_cost_nothing_and_stay(server, client) -> None:
    ts = Timeseries(client, type="count", intervals=BOTH)

    def fill() -> None:
        ts.bulk_insert([(name, 1, T0 + 60 * number) for name in "ab" for number in range(100)])

    verbs = [ts.list, lambda: ts.properties("a"), lambda: ts.delete("a"), ts.delete_all]
    fill()
    for verb in verbs:
        verb()  # from now on the server knows the scripts
    fill()
    alone = [calls(client, verb) for verb in verbs]
    assert client.dbsize() == 0
    client.execute_command("DEBUG", "POPULATE", 200_000)
    client.set("count:names", "theirs")
    fill()
    assert [calls(client, verb) for verb in verbs] == alone
    assert client.dbsize() == 200_001
    assert ts.list() == []


def test_a_name_is_no_pattern(client) -> None:
    ts = Timeseries(client, type="count", intervals=BOTH)
    names = ["*", "a*", "a?", "[ab]", "a:", "a:minute", "a:minute:*", "{a}", "}{", "a}", "%7B", "ab", "a", "a{b}c"]
    for number, name in enumerate(names):
        ts.insert(name, number, timestamp=T0)
    assert ts.list() == sorted(names)
    for name in names[:7]:
        assert ts.delete(name) == 2
    assert ts.list() == sorted(names[7:])
    assert [ts.get(name, "minute", timestamp=T0)[T0] for name in names[7:]] == list(range(7, len(names)))


@pytest.mark.parametrize("kind", ["count", "gauge", "histogram", "series", "set"])
def test_an_acl_need_not_allow_more_than_the_docs_say(server, client, kind) -> None:
    cells = {
        "count": "get set incrby",
        "gauge": "get set",
        "histogram": "hgetall hincrby",
        "series": "lrange rpush",
        "set": "smembers sadd",
    }
    sorted_sets = "zadd zcard zrange zrangebyscore zrem zremrangebyscore zrevrangebyscore zscore"
    commands = f"evalsha eval expireat persist exists type unlink time {sorted_sets} {cells[kind]}".split()
    rules = ["on", ">word", "~shop:*", *(f"+{command}" for command in commands)]
    client.execute_command("ACL", "SETUSER", "user", *rules)
    with redis.Redis(port=server.port, username="user", password="word") as theirs:
        ts = Timeseries(theirs, type=kind, prefix="shop", intervals=BOTH)
        ts.bulk_insert([("a", 1, T0), ("b", 1, T0)])
        assert ts.list() == ["a", "b"]
        assert ts.get("a", "hour", timestamp=T0) == ts.get("a", "minute", timestamp=T0)
        assert set(ts.properties("a")) == {"hour", "minute"}
        assert ts.delete("a") == 2
        ts.delete_all()
        assert client.dbsize() == 0
        with pytest.raises(kairos.BackendError, match=r"(?i)permissions"):
            Timeseries(theirs, type=kind, prefix="other", intervals=BOTH).insert("a", 1)


def test_the_server_expires_data_and_index(client) -> None:
    ts = Timeseries(
        client,
        type="histogram",
        intervals={"second": {"step": 1, "steps": 4}, "fine": {"step": 2, "resolution": 1, "steps": 3}},
    )
    ts.insert("a", 5)
    assert client.dbsize() == 6  # two cells, their indexes, the directory, the names
    deadline = time.monotonic() + 30
    while client.dbsize() > 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert client.dbsize() == 1
    assert ts.list() == []
    assert client.dbsize() == 0


def test_everything_expires_but_what_is_kept_for_ever(client) -> None:
    ts = Timeseries(client, type="count", intervals={"minute": {"step": 60, "steps": 10}, "hour": {"step": 3600}})
    Timeseries(client, type="count", intervals={"minute": {"step": 60, "steps": 10}}).insert("b")
    ts.insert("a")
    kept = {key.decode() for key in client.scan_iter() if client.ttl(key) == -1}
    assert {key.split("}")[0] for key in kept if "names" not in key} == {"count:{a"}
    assert {key.split(":")[2] for key in kept if key.count(":") > 1 and "names" not in key} == {"hour"}


@pytest.mark.parametrize("first", [None, 5])
def test_an_index_lives_as_long_as_the_longest_of_its_cells(client, first) -> None:
    """Two writers with other retentions: neither shortens the life of what the other one wrote."""
    now = int(time.time())
    ends = {}
    for steps in (first, 10, None if first else 100, 10):
        interval = {"step": 60} if steps is None else {"step": 60, "steps": steps}
        Timeseries(client, type="count", intervals={"minute": interval}).insert("a", timestamp=now)
        ends[steps] = client.ttl("count:{a}:minute"), client.ttl("count:{a}")
    assert ends[10] == ((-1, -1) if None in ends else ends[100])


def test_an_index_shrinks_as_buckets_expire(client) -> None:
    """What has gone is taken out at the old end while the index grows at the new one."""
    ts = Timeseries(client, type="count", intervals={"minute": {"step": 60, "steps": 1000}})
    now = int(time.time()) // 60 * 60
    ts.bulk_insert([("a", 1, now - 60 * back) for back in range(1, 600)])
    pages = client.zcard("count:{a}:minute")
    assert 50 <= pages <= 51
    old = [f"count:{{a}}:minute:{now // 60 - back}" for back in range(200, 600)]
    assert client.delete(*old) == 400  # as if they had expired
    for ahead in range(250):
        ts.insert("a", timestamp=now + 60 * ahead)
    assert client.zcard("count:{a}:minute") <= 200 // 12 + 250 // 12 + 4


def test_bounds_drop_what_has_expired(client) -> None:
    ts = Timeseries(client, type="count", intervals=BOTH)
    ts.bulk_insert([("a", 1, T0 + 60 * number) for number in range(120)])
    gone = [*range(50), *range(100, 120)]
    client.delete(*(f"count:{{a}}:minute:{T0 // 60 + number}" for number in gone))
    client.delete(*(f"count:{{a}}:hour:{T0 // 3600}:{T0 // 60 + number}" for number in range(60)))
    assert ts.properties("a") == {
        "minute": {"first": T0 + 60 * 50, "last": T0 + 60 * 99},
        "hour": {"first": T0 + 3600, "last": T0 + 3600},
    }
    assert client.zcard("count:{a}:minute") == 5
    assert client.zcard("count:{a}:hour:") == 5
    assert ts.delete("a") == 50 + 60
    assert client.dbsize() == 0


@pytest.mark.parametrize("kind", ["count", "gauge", "histogram", "series", "set"])
@pytest.mark.parametrize("where", ["count:{a}:minute:7", "count:{a}:hour:0:7", "count:{a}", "count:{a}:minute"])
def test_a_key_of_another_type_is_named_and_kept(client, kind, where) -> None:
    where = where.replace("count", kind, 1)
    client.xadd(where, {"their": "stream"})
    ts = Timeseries(client, type=kind, intervals=BOTH)
    with pytest.raises(kairos.BackendError, match="WRONGTYPE") as caught:
        ts.insert("a", 1, timestamp=420)
    assert where in str(caught.value)
    if where.count(":") == 1:
        with pytest.raises(kairos.BackendError, match="WRONGTYPE") as caught:
            ts.delete("a")
        assert f"[key {where}]" in str(caught.value)
    if where.count(":") > 2:
        with pytest.raises(kairos.BackendError, match="WRONGTYPE") as caught:
            ts.get("a", "minute" if "minute" in where else "hour", timestamp=420)
        assert f"[key {where}]" in str(caught.value)
        ts.delete("a")
        ts.delete_all()
    assert client.type(where) == b"stream"
