"""What the error of a driver means: by the code that the server gives, never by its words, which may be in any
language.
"""

from __future__ import annotations

import sqlite3
from enum import Enum, auto

__all__ = ["Verdict", "mysql_verdict", "postgresql_verdict", "sqlite_verdict"]


class Verdict(Enum):
    """What an error means for who called."""

    AGAIN = auto()
    """The transaction is rolled back because of another one, and may be repeated."""
    UNAVAILABLE = auto()
    """The database cannot be reached, or does not answer in time."""
    OVERFLOW = auto()
    """A number has left its range."""
    REFUSED = auto()
    """A value cannot be stored."""
    FAILED = auto()
    """Anything else."""


# --- SQLite ---------------------------------------------------------------------------------------------------------

_SQLITE_UNAVAILABLE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN})


def sqlite_verdict(error: BaseException) -> Verdict:
    """By SQLite's codes, which the driver's own errors do not have."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _SQLITE_UNAVAILABLE:
        return Verdict.UNAVAILABLE
    return Verdict.OVERFLOW if code == sqlite3.SQLITE_CONSTRAINT_CHECK else Verdict.FAILED


# --- PostgreSQL -----------------------------------------------------------------------------------------------------

_POSTGRESQL: dict[str, Verdict] = {
    "22003": Verdict.OVERFLOW,
    "22": Verdict.REFUSED,  # data exceptions
    "54000": Verdict.REFUSED,  # too long for an index
    "40001": Verdict.AGAIN,  # a serialization failure
    "40P01": Verdict.AGAIN,  # a deadlock
    # Two processes made the same table at the same time, and both passed IF NOT EXISTS; a number of a row is taken.
    **dict.fromkeys(("23505", "42P07", "42710"), Verdict.AGAIN),
    "55P03": Verdict.UNAVAILABLE,  # a lock that was waited for too long
    "57014": Verdict.UNAVAILABLE,  # a statement that took too long
    "57P": Verdict.UNAVAILABLE,  # it shuts down, or starts
    "53": Verdict.UNAVAILABLE,  # too many connections, no memory, no disk
    "08": Verdict.UNAVAILABLE,  # the connection
}


def postgresql_verdict(error: BaseException) -> Verdict:
    """By SQLSTATE: the code, its first three places, or its class. Without one the error is the driver's, which has
    lost or not got its connection; what it says of values comes out of it as an error of another class.
    """
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if code is None:
        lost = isinstance(error, OSError) or type(error).__name__ in {"OperationalError", "ConnectionTimeout"}
        return Verdict.UNAVAILABLE if lost else Verdict.FAILED
    return next((_POSTGRESQL[key] for key in (code, code[:3], code[:2]) if key in _POSTGRESQL), Verdict.FAILED)


# --- MySQL and MariaDB ----------------------------------------------------------------------------------------------

_MYSQL: dict[int, Verdict] = {
    **dict.fromkeys((1213, 3101), Verdict.AGAIN),  # a deadlock; the other members of a group had it otherwise
    1020: Verdict.AGAIN,  # a row has changed since the transaction began (MariaDB's snapshot isolation)
    1050: Verdict.AGAIN,  # another process was faster to make the table
    1062: Verdict.AGAIN,  # a number of a row is taken
    1205: Verdict.AGAIN,  # a lock that was waited for too long
    **dict.fromkeys((1690, 1264), Verdict.OVERFLOW),
    **dict.fromkeys((1048, 1292, 1366, 1367, 1406, 3854), Verdict.REFUSED),
    # Too many connections; shutting down; no space; interrupted; took too long
    **dict.fromkeys((1040, 1203, 1226, 1053, 1021, 1114, 1317, 1927, 1969, 3024), Verdict.UNAVAILABLE),
}


def mysql_verdict(error: BaseException) -> Verdict:
    """By the number: those of the clients' own, from 2000 on, are about the connection."""
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if 2000 <= code < 3000 or isinstance(error, OSError):
        return Verdict.UNAVAILABLE
    return _MYSQL.get(code, Verdict.FAILED)
