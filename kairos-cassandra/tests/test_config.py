"""What a constructor refuses, and what becomes of its keywords. No server."""

import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster

from kairos import AsyncTimeseries, ConfigurationError, Timeseries
from kairos.backend import StoreConfig
from kairos_cassandra._config import make_options, replication, table_properties
from kairos_cassandra._urls import recipe

MINUTE = {"minute": {"step": 60}}
HOST = "cassandra://127.0.0.1:1"


def make(url=HOST, type="series", **keywords):
    return Timeseries(url, type=type, intervals=MINUTE, **keywords)


def options(url=None, named=None, **keywords):
    config = StoreConfig(prefix="", type="series", shape="list", options=keywords)
    return make_options(config, url or {}, named)


@pytest.mark.parametrize("key", ["table_name", "keyspace"])
@pytest.mark.parametrize("name", ["", "1a", "_a", "a-b", "a.b", "a b", 'a"b', "a;b", "é", "a" * 49, "t; DROP TABLE x"])
def test_what_is_no_identifier_is_refused(key, name):
    if key == "keyspace" and name == "":
        return  # as without one
    with pytest.raises(ConfigurationError, match=f"^{key}: expected a letter"):
        make(**{key: name})


def test_a_table_needs_room_for_the_names_of_the_others():
    assert options(table_name="a" * 36).table_name == "a" * 36
    with pytest.raises(ConfigurationError, match=r"^table_name: .* 36 at most"):
        options(table_name="a" * 37)


@pytest.mark.parametrize(
    ("url", "session", "keyword", "found"),
    [
        (None, None, None, "kairos"),
        ("a", None, None, "a"),
        (None, "b", None, "b"),
        ("a", None, "c", "c"),
    ],
)
def test_the_keyspace_is_that_of_the_keyword_before_the_url_before_the_session(url, session, keyword, found):
    keywords = {} if keyword is None else {"keyspace": keyword}
    assert options(None, url or session, **keywords).keyspace == found


def test_a_keyword_goes_before_the_url():
    found = options({"consistency": "ONE", "read_consistency": "TWO"}, consistency="QUORUM", write_consistency="ALL")
    assert (found.read_level, found.write_level) == (ConsistencyLevel.TWO, ConsistencyLevel.ALL)
    assert options().read_level == options().write_level == ConsistencyLevel.LOCAL_QUORUM


@pytest.mark.parametrize("key", ["consistency", "read_consistency", "write_consistency"])
@pytest.mark.parametrize("level", ["", "quorum", "ANY", "SERIAL", "LOCAL_SERIAL", "NONE"])
def test_an_unknown_consistency_is_refused(key, level):
    with pytest.raises(ConfigurationError, match=f"^{key}: expected one of ONE, TWO"):
        make(**{key: level})


@pytest.mark.parametrize(
    ("given", "cql"),
    [
        (3, "{'class': 'NetworkTopologyStrategy', 'replication_factor': 3}"),
        ({"dc1": 3, "it's": 1}, "{'class': 'NetworkTopologyStrategy', 'dc1': 3, 'it''s': 1}"),
    ],
)
def test_replication(given, cql):
    assert replication(given) == cql


@pytest.mark.parametrize("given", [0, -1, True, "3", {}, {"dc1": 0}, {"dc1": "3"}, {1: 3}, [3]])
def test_bad_replication_is_refused(given):
    with pytest.raises(ConfigurationError, match=r"^create_keyspace: "):
        make(create_keyspace=given)


def test_table_options_become_literals():
    assert table_properties(
        {
            "compaction": {"class": "TimeWindowCompactionStrategy", "compaction_window_size": 1, "enabled": True},
            "comment": "it's'; DROP TABLE x; --",
            "gc_grace_seconds": 0,
            "bloom_filter_fp_chance": 0.01,
            "cdc": False,
        }
    ) == [
        "compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_size': 1, 'enabled': true}",
        "comment = 'it''s''; DROP TABLE x; --'",
        "gc_grace_seconds = 0",
        "bloom_filter_fp_chance = 0.01",
        "cdc = false",
    ]
    assert table_properties(None) == []


@pytest.mark.parametrize(
    "given",
    [
        "comment = 'a'",
        ["comment"],
        {"gc_grace_seconds": -1},
        {"gc_grace_seconds": 1.5},
        {"gc_grace_seconds": True},
        {"gc_grace_seconds": "0; DROP"},
        {"bloom_filter_fp_chance": float("nan")},
        {"bloom_filter_fp_chance": "0.1"},
        {"comment": 5},
        {"cdc": 1},
        {"compaction": "{}"},
        {"compaction": {"class": None}},
        {"compaction": {1: "a"}},
        {"default_time_to_live": 60},
        {"comment = 'a' AND cdc": "b"},
        {5: "a"},
    ],
)
def test_bad_table_options_are_refused(given):
    with pytest.raises(ConfigurationError, match=r"^table_options"):
        make(table_options=given)


@pytest.mark.parametrize("given", [0, -1, 1.5, "10", True])
def test_rows_per_cell_is_a_positive_int(given):
    with pytest.raises(ConfigurationError, match=r"^rows_per_cell: "):
        make(rows_per_cell=given)


@pytest.mark.parametrize("given", ["any", object, "duration", "", 5])
def test_an_unknown_value_type_is_refused(given):
    with pytest.raises(ConfigurationError, match=r"^value_type: "):
        make(value_type=given)


def test_an_interval_of_more_than_20_years_is_refused_unless_it_is_counted():
    for steps, step in ((21, "yearly"), (20, "yearly"), (241, "monthly"), (7300, "daily")):
        intervals = {"i": {"step": step, "steps": steps}}
        with pytest.raises(ConfigurationError, match=r"^intervals\['i'\]\.steps: .* for 7300 days at most"):
            Timeseries(HOST, intervals=intervals)
        for counting in ("count", "histogram"):
            Timeseries(HOST, type=counting, intervals=intervals).close()
    Timeseries(HOST, intervals={"i": {"step": "yearly", "steps": 19}, "all": {"step": "yearly"}}).close()


def test_a_prefix_has_a_length():
    make(prefix="é" * 2500).close()
    with pytest.raises(ConfigurationError, match=r"^prefix: .* is longer than 5000 bytes"):
        make(prefix="é" * 2501)


@pytest.mark.parametrize(
    "url",
    [
        "cassandra:host",
        "cassandra://",
        "cassandra:///keyspace",
        "cassandra://a,,b/k",
        "cassandra://a:0/k",
        "cassandra://a:99999/k",
        "cassandra://a:x/k",
        "cassandra://ann:hunter2@a b/k",
        "cassandra://ann:hunter2@a/k?consistency=least",
        "cassandra://ann:hunter2@a/k?password=hunter2",
        "cassandra://a/k?ssl=yes",
        "cassandra://a/k?ssl=false&ssl_ca=x",
        "cassandra://a/k?ssl_ca=/nowhere/at/all",
        "cassandra://a/k?timeout=0",
        "cassandra://a/k?timeout=soon",
        "cassandra://a/k?create_keyspace=dc1",
        "cassandra://a/k?create_keyspace=dc1:0",
        "cassandra://a/k?local_dc=a&local_dc=b",
        "cassandra://a/a-b",
        "cassandra://a/k/l",
    ],
)
def test_a_bad_url_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError) as caught:
        make(url)
    assert "hunter2" not in str(caught.value)


def test_a_good_url():
    found = recipe(
        "cql://an%40n:hunt%2Fer@one,[::1]:9142,two:9143/metrics?read_consistency=ONE&create_keyspace=dc1:3,dc2:2", {}
    )
    assert found.keyspace == "metrics"
    assert found.options == {"read_consistency": "ONE", "create_keyspace": {"dc1": 3, "dc2": 2}}
    assert recipe("cassandra://a/?create_keyspace=2", {}).options == {"create_keyspace": 2}
    assert recipe("cassandra://a", {}).keyspace is None


def test_what_the_url_says_reaches_the_driver():
    found = recipe(
        "cassandra://an%40n:hunt%2Fer@127.0.0.1:9142,127.0.0.2/k?local_dc=dc7&timeout=3&connect_timeout=1.5&ssl_verify=false",
        {"idle_heartbeat_interval": 7},
    )
    cluster = found.make(ConsistencyLevel.TWO)
    try:
        assert isinstance(cluster, Cluster)
        assert [str(point) for point in cluster.endpoints_resolved] == ["127.0.0.1:9142", "127.0.0.2:9142"]
        assert (cluster.auth_provider.username, cluster.auth_provider.password) == ("an@n", "hunt/er")
        assert (cluster.connect_timeout, cluster.idle_heartbeat_interval, cluster.protocol_version) == (1.5, 7, 4)
        assert cluster.ssl_context.check_hostname is False
        profile = cluster.profile_manager.profiles[EXEC_PROFILE_DEFAULT]
        assert (profile.request_timeout, profile.consistency_level) == (3, ConsistencyLevel.TWO)
        assert profile.load_balancing_policy._child_policy.local_dc == "dc7"
    finally:
        cluster.shutdown()


def test_client_config_holds_keywords_of_the_cluster():
    make(client_config={"idle_heartbeat_interval": 7}).close()
    with pytest.raises(ConfigurationError, match=r"^client_config: Cluster has no keyword 'retries'"):
        make(client_config={"retries": 7})


@pytest.mark.parametrize("factory", [Timeseries, AsyncTimeseries])
def test_only_a_session_is_a_client(factory):
    cluster = Cluster(["127.0.0.1"])
    try:
        with pytest.raises(
            ConfigurationError, match=r"^client: expected a URL or a Session.*not cassandra.cluster.Cluster"
        ):
            factory(cluster, intervals=MINUTE)
    finally:
        cluster.shutdown()
