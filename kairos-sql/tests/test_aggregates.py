"""Transforms that the database computes: one row for a cell, however many values it has."""

import pytest
import sqlalchemy as sa

NAMES = ["count", "max", "mean", "min", "rate", "sum"]


@pytest.fixture
def fetched(monkeypatch):
    """How many rows each read has got from the database."""
    from kairos_sql._backend import SQLBackend

    counts = []
    rows = SQLBackend._rows

    def counted(self, *args):
        counts.append(0)
        for row in rows(self, *args):
            counts[-1] += 1
            yield row

    monkeypatch.setattr(SQLBackend, "_rows", counted)
    return counts


@pytest.mark.parametrize("kind", ["series", "histogram", "set"])
def test_one_row_is_fetched_for_a_cell(make, url, fetched, kind):
    series = make(url, type=kind, value_type="int", intervals={"minute": {"step": 60}, "hour": {"step": 3600}})
    series.bulk_insert([("a", list(range(100)), minute * 60) for minute in range(5)])
    for transform in ("count", "min", ["min", "max", "count"], *([] if kind == "histogram" else ["sum", "mean"])):
        fetched.clear()
        series.series("a", "minute", start=0, end=240, transform=transform)
        assert fetched == [5]
    fetched.clear()
    series.series("a", "minute", start=0, end=240, transform=["min", len])
    assert fetched == [500]


def test_a_sum_may_be_past_64_bits(make, url):
    series = make(url, value_type="int")
    values = [2**63 - 1] * 3 + [-(2**63)] * 9 + [-1, 5]
    series.insert("a", values, timestamp=0)
    assert series.get("a", "minute", timestamp=0, transform="sum") == {0: sum(values)}
    assert series.get("a", "minute", timestamp=0, transform="mean") == {0: sum(values) / len(values)}


def test_the_counts_of_a_histogram_may_add_up_past_64_bits(make, url):
    series = make(url, type="histogram", value_type="int")
    series.insert("a", [1, 2, 3], timestamp=0)
    engine = getattr(series.backend._engine, "sync_engine", series.backend._engine)
    table = series.backend._sql.layout.table

    def enlarge(connection):
        connection.execute(sa.update(table).values(n=2**63 - 1))

    if engine is series.backend._engine:
        with engine.begin() as connection:
            enlarge(connection)
    else:

        async def run():
            async with series.backend._engine.begin() as connection:
                await connection.run_sync(enlarge)

        series.run(run())
    assert series.get("a", "minute", timestamp=0, transform="count") == {0: 3 * (2**63 - 1)}


def test_a_zero_has_no_sign(make, url):
    series = make(url)
    series.insert("a", [-0.0, 0.0, 1.0], timestamp=0)
    assert repr(series.get("a", "minute", timestamp=0)) == "{0: [0.0, 0.0, 1.0]}"
    assert repr(series.get("a", "minute", timestamp=0, transform="min")) == "{0: 0.0}"
