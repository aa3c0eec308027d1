"""Texts with URLs in them, for errors: what may be a secret is not shown, and what helps is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kairos.urls import redact


@pytest.mark.parametrize(
    "text",
    [
        *("redis://:SECRET@host", "redis://user:SECRET@host:6379/0", "mongodb+srv://u:SECRET@a,b/db?w=1"),
        *("x://u:SECRET@h/p and y://v:SECRET@h", "x://u:SEC@RET/SECRET@h", "x://u:SECRET SECRET@h", "x://u:\nSECRET@h"),
        *("postgresql://ann@srv:SECRET@host/db", "x://a#b:SECRET@h", "x://a/b:SECRET@h", "x://a?b:SECRET@h"),
        *("x://h?password=SECRET", "x://h/p?a=1&PWD=SECRET&b=2", "x://h?auth=SECRET", "x://h?a=SECRET;b=SECRET"),
        *("x://h/?authMechanismProperties=AWS_SESSION_TOKEN:SECRET", "x://u:SECRET@h?sslkey=SECRET"),
        "could not connect to 'redis://u:SECRET@h/0': refused",
    ],
)
def test_secrets_are_hidden(text):
    assert "SECRET" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "text", ["", "a@b", "no URL here: x", "redis://host:6379/0", "sqlite:///data.db", "memory://name", "a?b=c", "://"]
)
def test_the_rest_is_left_as_it_is(text):
    assert redact(text) == text


def test_what_helps_stays():
    assert redact("redis://u:p@host:6379/0 is down") == "redis://***@host:6379/0 is down"
    assert redact("x://host/path?a=b") == "x://host/path?***"


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="*")), st.text(max_size=20))
def test_whatever_a_password_is_made_of(password, after):
    marked = f"<<{password}>>"
    assert "<<" not in redact(f"scheme://user:{marked}@host")
    assert "<<" not in redact(f"scheme://:{marked}@host/path?x=1 {after}")
