"""The keywords of a constructor that only this backend knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from kairos.config import Positive, structure
from kairos.errors import ConfigurationError
from kairos.values import show

__all__ = ["STRING_LENGTH", "TEXT_LENGTH", "SQLOptions", "check_lengths", "make_options"]

STRING_LENGTH = Positive(255)
TEXT_LENGTH = Positive(32 * 1024)


@frozen(kw_only=True)
class SQLOptions:
    """What a user may say about the table.

    ``table_name`` is ``kairos_<type>`` if it is None, ``schema`` the connection's own. ``string_length`` is the length
    of the VARCHAR columns: of names in bytes of UTF-8, of values of type ``str`` in characters. ``text_length`` is the
    length of values of the types ``text`` (in characters) and ``blob`` (in bytes).
    """

    table_name: str | None = None
    string_length: Positive = STRING_LENGTH
    text_length: Positive = TEXT_LENGTH
    schema: str | None = None


def check_lengths(options: SQLOptions, key_bytes: int | None) -> None:
    """Refuse names that would not fit the key of the table: three texts, two times and a number or a digest."""
    longest = None if key_bytes is None else (key_bytes - 48) // 3
    if longest is not None and options.string_length > longest:
        raise ConfigurationError(
            f"string_length: {options.string_length} is too long for a key of this database; it takes {longest}"
        )


def make_options(given: Mapping[str, Any]) -> SQLOptions:
    """The keywords, checked; a wrong or unknown one is a `ConfigurationError` that names it."""
    options = structure(SQLOptions, given)
    for key, name in (("table_name", options.table_name), ("schema", options.schema)):
        if name is not None and (not name or "\0" in name):
            raise ConfigurationError(f"{key}: expected a name, not {show(name)}")
    return options
