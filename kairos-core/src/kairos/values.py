"""Values: how lists expand, which form a key takes, and the types that a store can hold.

A value passes through ``write_func``, then its canonical form (histogram keys and set members only), then its
`ValueType`; a value that a type cannot hold exactly is refused before anything is written (semantics 3.1, 3.4).
NumPy is recognised where the caller uses it, and never imported.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import date, datetime, time
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_address
from numbers import Integral
from types import GeneratorType
from typing import Any

from attrs import field, frozen

from kairos.errors import ConfigurationError, InvalidValue

__all__ = [
    "INT64_MAX",
    "INT64_MIN",
    "ValueType",
    "canonical_key",
    "check_name",
    "exact_sum",
    "expand",
    "is_positive_int",
    "plain",
    "show",
    "snapshot",
    "value_type",
]

INT64_MIN = -(2**63)
"""The least int of 64 bits."""
INT64_MAX = 2**63 - 1
"""The greatest int of 64 bits."""
# The same limits as floats: comparing a float with a large int is slow.
FLOAT64_MIN = -(2.0**63)
FLOAT64_END = 2.0**63

ATOMS = frozenset({int, float, str, bytes, bool})
"""The types of nearly all values: immutable, and with nothing to unwrap."""
_FROZEN = ATOMS | {Decimal, Fraction, date, datetime, time, type(None)}
_NUMPY_KINDS = "biufSU"


def show(value: object) -> str:
    """A value as an error message shows it: its repr, cut if it is long."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the error at hand must be told, whatever the value's own repr does
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 80 else f"{text[:77]}..."


def is_positive_int(value: object) -> bool:
    """Whether a value is an int above zero, and not True."""
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def check_name(name: object, what: str, max_bytes: int | None) -> str:
    """A name of a series or an interval, or an `InvalidValue` that says what is wrong with it (semantics 2.3)."""
    if not isinstance(name, str) or not name:
        raise InvalidValue(f"{what} {show(name)} is not a non-empty str")
    if "\0" in name:
        raise InvalidValue(f"{what} {show(name)} contains NUL")
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise InvalidValue(f"{what} {show(name)} contains a lone surrogate") from None
    if max_bytes is not None and length > max_bytes:
        raise InvalidValue(f"{what} {show(name)} is {length} bytes long in UTF-8; this backend takes {max_bytes}")
    return str.__str__(name)


# --- Expansion ------------------------------------------------------------------------------------------------------


def expand(value: object, *, ordered: bool) -> list[Any]:
    """The values that one insert gives (semantics 3.1).

    A list, tuple, set, frozenset, generator or NumPy array gives its members, everything else (str, bytes, dict, range
    and deque too) itself. With ``ordered``, a set is an `InvalidValue`, since it has no order to keep.
    """
    if type(value) in ATOMS:
        return [value]
    if isinstance(value, (set, frozenset)):
        if ordered:
            raise InvalidValue(f"{show(value)} has no order; a series or a gauge needs one")
        return list(value)
    if isinstance(value, (list, tuple, GeneratorType)):
        return list(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _expand_array(value)
    return [value]


def _expand_array(value: Any) -> list[Any]:
    if value.ndim > 1:
        raise InvalidValue(f"a NumPy array of {value.ndim} dimensions is not a list of values")
    if value.dtype.kind not in _NUMPY_KINDS + "O":
        raise InvalidValue(f"NumPy values of type {value.dtype} cannot be stored")
    if (mask := getattr(value, "mask", None)) is not None and mask.any():
        raise InvalidValue("a NumPy array with masked elements has no value for them")
    return value.tolist() if value.ndim else [value[()]]


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python object that it stands for, anything else as it is."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not (isinstance(value, numpy.ndarray) or type(value).__module__.partition(".")[0] == "numpy"):
        return value
    if (
        isinstance(value, (numpy.generic, numpy.ndarray))
        and value.ndim == 0
        and value.dtype.kind in _NUMPY_KINDS
        and not getattr(value, "mask", False)
    ):
        found = value.item()
        if not isinstance(found, numpy.generic):
            return found
    raise InvalidValue(f"{show(value)} of type {type(value).__name__} has no exact Python value")


def exact_sum(*numbers: Any) -> int | float:
    """The exact sum of ints and floats: an int if it is integral and within 64 bits, else the nearest float."""
    total = sum(map(Fraction, numbers), Fraction(0))
    if total.denominator == 1 and INT64_MIN <= total <= INT64_MAX:
        return int(total)
    return float(total)


# --- Canonical form -------------------------------------------------------------------------------------------------


def canonical_key(value: Any) -> Any:  # noqa: PLR0911 - one return for each family of types
    """A histogram key or set member in its one form: bools and integral numbers within 64 bits are ints.

    So 1, 1.0, True and Decimal('1.00') are one key, and read 1 on every store (semantics 3.4). NaN and what is not
    hashable is an `InvalidValue`.
    """
    kind = type(value)
    if kind is int or kind is str:
        return value
    if kind is float:
        if value.is_integer():
            return int(value) if FLOAT64_MIN <= value < FLOAT64_END else value
        if value != value:  # noqa: PLR0124 - the test for NaN
            raise InvalidValue("NaN cannot be a histogram key or a set member, since it equals nothing")
        return value
    if isinstance(value, float):
        return canonical_key(float(value))
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Decimal):
        return _canonical_decimal(value)
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return _hashable(value)


def _hashable(value: Any) -> Any:
    if isinstance(value, complex) and value != value:  # noqa: PLR0124 - the test for NaN
        raise InvalidValue("NaN cannot be a histogram key or a set member, since it equals nothing")
    try:
        hash(value)
    except TypeError:
        raise InvalidValue(f"{show(value)} cannot be a histogram key or a set member: it is not hashable") from None
    return value


def _canonical_decimal(value: Decimal) -> Decimal | int:
    if value.is_nan():
        raise InvalidValue("NaN cannot be a histogram key or a set member, since it equals nothing")
    if value.is_infinite():
        return value
    if INT64_MIN <= value <= INT64_MAX and value == value.to_integral_value():
        return int(value)
    sign, digits, exponent = value.as_tuple()
    kept = len(digits)
    while kept > 1 and digits[kept - 1] == 0:  # Decimal.normalize() would round to the context's precision
        kept -= 1
    return Decimal((sign, digits[:kept], int(exponent) + len(digits) - kept))


# --- Types ----------------------------------------------------------------------------------------------------------


@frozen
class ValueType:
    """A type of values: ``accept`` returns a value in the form that is stored, or raises `InvalidValue`.

    ``name`` is one of: any, float, int, str, text, blob, bool, decimal, date, datetime, time, inet; a backend may have
    more.
    """

    name: str
    accept: Callable[[Any], Any] = field(eq=False, repr=False)


def _refuse(value: object, name: str, why: str = "") -> InvalidValue:
    return InvalidValue(f"{show(value)} is not {name}{': ' if why else ''}{why}")


def snapshot(value: Any) -> Any:
    """A value that nobody else can change: itself if it is immutable, else a deep copy."""
    if type(value) in _FROZEN:
        return value
    try:
        return deepcopy(value)
    except Exception as error:
        raise InvalidValue(f"{show(value)} cannot be copied: {error}") from error


_EXACT = 2**53  # up to here every int is a float


def _float(value: Any) -> float:
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and -_EXACT <= value <= _EXACT:
        return float(value)
    if not isinstance(value, (float, int, Decimal, Fraction)):
        raise _refuse(value, "a float", "name another value_type for it" if isinstance(value, (str, bytes)) else "")
    try:
        found = float(value)
    except (OverflowError, ValueError):  # too large, or a signaling NaN
        raise _refuse(value, "a float that every store can hold") from None
    if not math.isfinite(found):
        raise _refuse(value, "a float that every store can hold")
    if found != value:
        raise _refuse(value, "a float", "it would be rounded")
    return found


def _int(value: Any) -> int:
    if not isinstance(value, (int, float, Decimal, Fraction)):
        raise _refuse(value, "an int")
    try:
        found = int(value)
    except (OverflowError, ValueError):
        raise _refuse(value, "an int") from None
    if found != value:
        raise _refuse(value, "an int", "it would be rounded")
    if not INT64_MIN <= found <= INT64_MAX:
        raise _refuse(value, "an int of 64 bits")
    return found


def _str(value: Any) -> str:
    if isinstance(value, str):
        found = str.__str__(value)
        try:
            found.encode()
        except UnicodeEncodeError:
            raise _refuse(value, "text", "it contains a lone surrogate") from None
        return found
    if type(value) is int or type(value) is float:
        return repr(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return repr(int(value) if isinstance(value, int) else float(value))
    raise _refuse(value, "text")


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise _refuse(value, "bytes")


def _bool(value: Any) -> bool:
    if (
        isinstance(value, (int, float, Decimal))
        and not (isinstance(value, Decimal) and value.is_nan())
        and value in (0, 1)
    ):
        return bool(value)
    raise _refuse(value, "a bool")


def _decimal(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        if value.is_finite():
            return value
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return Decimal(int(value))
    raise _refuse(value, "a finite Decimal or an integral number")


def _date(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise _refuse(value, "a date")


def _naive(value: Any, kind: type[datetime | time]) -> Any:
    if not isinstance(value, kind):
        raise _refuse(value, f"a {kind.__name__}")
    if value.tzinfo is not None:
        raise _refuse(value, f"a naive {kind.__name__}", "the time zone would be lost; convert it in write_func")
    return value


def _inet(value: Any) -> str:
    if isinstance(value, (str, IPv4Address, IPv6Address)):
        try:
            return str(ip_address(value))
        except ValueError:
            pass
    raise _refuse(value, "an IP address")


_TYPES: Mapping[str, ValueType] = {
    name: ValueType(name, accept)
    for name, accept in {
        "any": snapshot,
        "float": _float,
        "int": _int,
        "str": _str,
        "text": _str,
        "blob": _bytes,
        "bool": _bool,
        "decimal": _decimal,
        "date": _date,
        "datetime": lambda value: _naive(value, datetime),
        "time": lambda value: _naive(value, time),
        "inet": _inet,
    }.items()
}
_ALIASES: Mapping[object, str] = {
    "double": "float",
    "integer": "int",
    "int64": "int",
    "long": "int",
    "string": "str",
    "unicode": "str",
    "clob": "text",
    "boolean": "bool",
    object: "any",
    float: "float",
    int: "int",
    str: "str",
    bytes: "blob",
    bool: "bool",
    Decimal: "decimal",
    date: "date",
    datetime: "datetime",
    time: "time",
}


def value_type(spec: object) -> ValueType:
    """The type of a name or a Python type, as in the seed's lists; anything else is a `ConfigurationError`."""
    try:
        name = _ALIASES.get(spec, spec)
        found = _TYPES.get(name) if isinstance(name, str) else None
    except TypeError:  # not hashable
        found = None
    if found is None:
        names = ", ".join(sorted({*_TYPES, *(alias for alias in _ALIASES if isinstance(alias, str))}))
        raise ConfigurationError(f"value_type: unknown type {show(spec)}; known are the Python types and {names}")
    return found
