"""A custom fetch: called as the seed documents, on an ordinary Connection in both colours."""

import pytest
import sqlalchemy as sa

from kairos import BackendError

HOUR = {"hour": {"step": 3600, "resolution": 60}}


def test_it_gets_a_connection_a_table_and_bucket_ids(make, url):
    count = make(url, type="count", intervals={"minute": {"step": 60}, **HOUR})
    count.insert("a", 5, timestamp=120)
    calls = []

    def fetch(*args):
        calls.append(args)
        return {}

    count.get("a", "minute", timestamp=120, fetch=fetch)
    count.series(["b", "a"], "hour", start=0, end=7200, fetch=fetch)
    (single, *several) = calls
    assert isinstance(single[0], sa.Connection)
    assert isinstance(single[1], sa.Table)
    assert single[1].name == "kairos_count"
    assert single[2:] == ("a", "minute", 2, None)
    assert [args[2:] for args in several] == [("b", "hour", 0, 2), ("a", "hour", 0, 2)]


def test_plain_sql_gives_values_of_the_type(make, url):
    """What SQLAlchemy's types did not read is brought into the type of the values; -1 stands for no resolution."""
    series = make(url, value_type="datetime")
    values = [sa.func.now().type.python_type(2013, 1, 2, 3, 4, 5, 6)]
    series.insert("a", values, timestamp=60)

    def fetch(connection, table, name, interval, *_):
        found = {}
        rows = connection.exec_driver_sql(f"SELECT i_time, r_time, value FROM {table.name}")
        for i_time, r_time, value in rows:
            assert isinstance(value, str)
            found.setdefault(i_time, {}).setdefault(r_time, []).append(value)
        return found

    assert series.get("a", "minute", timestamp=60, fetch=fetch) == {60: values}


@pytest.mark.parametrize(
    ("kind", "data", "read"),
    [
        ("series", [1, 2], [1.0, 2.0]),
        ("histogram", {1: 2}, {1: 2}),
        ("set", {1, 2}, {1, 2}),
        ("gauge", 3, 3.0),
        ("count", 7, 7),
    ],
)
def test_data_of_each_kind(make, url, kind, data, read):
    series = make(url, type=kind)
    series.insert("a", 9, timestamp=0)
    assert series.get("a", "minute", timestamp=0, fetch=lambda *_: {0: {None: data}}) == {0: read}
    assert series.series("a", "minute", start=0, end=60, fetch=lambda *_: {1: {None: data}})[60] == read


def test_no_data_is_none_or_empty(make, url):
    series = make(url)
    series.insert("a", 1, timestamp=0)
    for nothing in (None, {}, {0: {}}):
        assert series.get("a", "minute", timestamp=0, fetch=lambda *_, nothing=nothing: nothing) == {0: []}


def test_what_is_no_result_is_a_type_error(make, url):
    series = make(url)
    series.insert("a", 1, timestamp=0)
    for wrong in ([1], {0: [1]}, 5):
        with pytest.raises(TypeError, match=r"\{i_time: \{r_time or None: data\}\}"):
            series.get("a", "minute", timestamp=0, fetch=lambda *_, wrong=wrong: wrong)


class Oops(Exception):
    """A user's own error."""


@pytest.mark.parametrize(
    "error", [Oops("mine"), sa.exc.OperationalError("mine", {}, ValueError("x")), OSError(5)], ids=repr
)
def test_its_errors_pass_through(make, url, error):
    series = make(url)
    series.insert("a", 1, timestamp=0)

    def fetch(*_):
        raise error

    with pytest.raises(type(error)) as caught:
        series.get("a", "minute", timestamp=0, fetch=fetch)
    assert caught.value is error


def test_the_errors_of_its_sql_pass_through_and_leak_no_connection(make, url):
    series = make(url, client_config={"pool_size": 1, "max_overflow": 0, "pool_timeout": 1})
    series.insert("a", 1, timestamp=0)
    for _ in range(3):
        with pytest.raises(sa.exc.OperationalError, match="no such table"):
            series.get(
                "a", "minute", timestamp=0, fetch=lambda connection, *_: connection.execute(sa.text("SELECT 1 FROM x"))
            )
    assert series.get("a", "minute", timestamp=0) == {0: [1.0]}


def test_what_it_writes_is_rolled_back(make, url):
    series = make(url)
    series.insert("a", 1, timestamp=0)

    def fetch(connection, table, *_):
        connection.execute(table.delete())
        return {}

    assert series.get("a", "minute", timestamp=0, fetch=fetch) == {0: []}
    assert series.get("a", "minute", timestamp=0) == {0: [1.0]}


def test_a_foreign_value_in_our_table_is_a_clear_error(make, url):
    series = make(url, value_type="date")
    series.insert("a", sa.Date().python_type(2013, 1, 2), timestamp=0)
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE kairos_series SET value = 'nonsense'")
    engine.dispose()
    with pytest.raises(BackendError, match="kairos_series holds what kairos did not write"):
        series.get("a", "minute", timestamp=0)
