"""The keywords of a constructor that only this backend knows."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["STRING_LENGTH", "TEXT_LENGTH", "SQLOptions"]

STRING_LENGTH = 255
TEXT_LENGTH = 32 * 1024


def _positive(_: object, _attribute: object, value: int) -> None:
    if value <= 0:
        raise ValueError(f"expected a positive int, not {value!r}")


def _filled(_: object, _attribute: object, value: str | None) -> None:
    if value is not None and (not value or "\0" in value):
        raise ValueError(f"expected a name, not {value!r}")


@frozen(kw_only=True)
class SQLOptions:
    """What a user may say about the table.

    ``table_name`` is ``kairos_<type>`` if it is None, ``schema`` the connection's own. ``string_length`` is the length
    of the VARCHAR columns: of names in bytes of UTF-8, of values of type ``str`` in characters. ``text_length`` is the
    length of values of the types ``text`` (in characters) and ``blob`` (in bytes).
    """

    table_name: str | None = field(default=None, validator=_filled)
    string_length: int = field(default=STRING_LENGTH, validator=_positive)
    text_length: int = field(default=TEXT_LENGTH, validator=_positive)
    schema: str | None = field(default=None, validator=_filled)
