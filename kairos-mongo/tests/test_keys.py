"""Histogram keys as names of fields, without a server."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from kairos import InvalidValue
from kairos.values import canonical_key
from kairos_mongo._keys import field_of, key_of

KEYS = st.one_of(
    st.text(),
    st.integers(),
    st.floats(allow_nan=False),
    st.decimals(allow_nan=False),
    st.binary(),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.uuids(),
)


@given(KEYS)
def test_a_key_comes_back_as_it_went(key):
    """Every key has a field, and the field gives it back in its one form and of its type."""
    back = key_of(field_of(key))
    assert back == canonical_key(key)
    assert type(back) is type(canonical_key(key))


@given(st.text(alphabet="%.$\0aE02", max_size=8), st.text(alphabet="%.$\0aE02", max_size=8))
def test_different_keys_have_different_fields(one, other):
    """The escape is reversible."""
    assert (field_of(one) == field_of(other)) is (one == other)


@given(KEYS)
def test_a_field_is_one_part_of_a_path(key):
    """MongoDB sees no path, no operator, no index of an array and no empty name in it."""
    name = field_of(key)
    assert "." not in name
    assert "\0" not in name
    assert name[0].isalpha()


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("a.b", "sa%2Eb"),
        ("$where", "s$where"),
        ("", "s"),
        ("50%", "s50%25"),
        ("0", "s0"),
        (0, "i0"),
        (True, "i1"),
        (1.0, "i1"),
        (-7, "i-7"),
        (3.14, "f3%2E14"),
        (1e-07, "f1e-07"),
        (float("-inf"), "f-inf"),
        (Decimal("0.10"), "n0%2E1"),
        (b"\x00a", "b0061"),
        (ObjectId("0123456789abcdef01234567"), "o0123456789abcdef01234567"),
        (UUID(int=5), "u00000000-0000-0000-0000-000000000005"),
        (date(2012, 2, 29), "d2012-02-29"),
        (datetime(2012, 2, 29, 1, tzinfo=UTC), "t2012-02-29T01:00:00+00:00"),
        (time(23, 59), "c23:59:00"),
    ],
)
def test_the_documented_form(key, name):
    """What is on disk stays readable, and does not change by accident."""
    assert field_of(key) == name
    assert key_of(name) == key


@pytest.mark.parametrize("key", [range(2), (1, 2), frozenset(), complex(1, 2), "\ud800", [], float("nan")], ids=ascii)
def test_what_cannot_be_a_key(key):
    """A ValueError that shows the key."""
    with pytest.raises(InvalidValue):
        field_of(key)
