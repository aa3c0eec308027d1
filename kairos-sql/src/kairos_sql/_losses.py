"""What a database would change, in silence, of a value in a column of a type that the user chose."""

from __future__ import annotations

import re

__all__ = ["integers", "loss"]

_TYPE = re.compile(r"(?P<word>[A-Z]+(?: CHAR)?)(?:\((?P<numbers>[\d, ]+)\))?(?P<unsigned> UNSIGNED)?")
_STRICT = {"mariadb", "mysql", "postgresql"}
_PADDED = {"CHAR", "NCHAR", "NATIONAL CHAR", "BINARY"}
_FLOATS = {"FLOAT", "DOUBLE", "REAL"}
_TIMES = {"DATETIME", "TIMESTAMP", "TIME"}
# How many bits an integer has.
_BITS = {"TINYINT": 8, "SMALLINT": 16, "MEDIUMINT": 24, "INTEGER": 32, "INT": 32, "BIGINT": 64}


def loss(declared: str, dialect: str) -> str | None:
    """What is lost in a column that is declared so, as words that follow "would"; None if nothing is, or nobody knows.

    SQLite keeps values as they come, whatever a column is called.
    """
    found = _TYPE.match(declared.upper())
    if found is None or dialect not in _STRICT:
        return None
    word, numbers = found["word"], [int(number) for number in re.findall(r"\d+", found["numbers"] or "")]
    mysql = dialect in {"mysql", "mariadb"}
    # MySQL's REAL is a double and its FLOAT is not; its times have seconds only, if nothing else is said.
    single = (word == "REAL" and not mysql) or (word == "FLOAT" and (numbers[0] < 25 if numbers else mysql))
    coarse = word in _TIMES and (numbers[0] < 6 if numbers else mysql)
    losses = {
        "cut or fill the end of a value; give one of variable length": word in _PADDED,
        "round floats to a number of places; give Double": word in _FLOATS and len(numbers) > 1,
        "keep 24 of the 53 bits of a float; give Double": single,
        "round to less than microseconds; give it a precision of 6": coarse,
    }
    return next((words for words, happens in losses.items() if happens), None)


def integers(declared: str, dialect: str) -> range | None:
    """The integers that fit a column which is declared so; None if all of 64 bits do, or nobody knows."""
    found = _TYPE.match(declared.upper())
    if found is None or dialect not in _STRICT or found["word"] not in _BITS:
        return None
    bits = _BITS[found["word"]]
    if bits == 64 and not found["unsigned"]:
        return None
    return range(2**bits) if found["unsigned"] else range(-(2 ** (bits - 1)), 2 ** (bits - 1))
