"""Configuration: from the caller's keywords to checked, immutable values, with errors that name the path of a bad key.

The caller's dicts are read and never kept or changed (semantics 2.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NewType, TypeVar

from attrs import fields, frozen
from cattrs import Converter
from cattrs.errors import AttributeValidationNote, ClassValidationError, ForbiddenExtraKeysError

from kairos.errors import ConfigurationError
from kairos.kinds import KINDS, Kind
from kairos.plans import Interval
from kairos.steps import Step, parse_step
from kairos.values import check_name, is_positive_int, show

__all__ = ["IntervalConfig", "Positive", "SeriesConfig", "normal_prefix", "structure"]

T = TypeVar("T")
Clock = Callable[[], float]
Positive = NewType("Positive", int)
"""An int above zero, for the fields of a class that `structure` makes."""


def _strict(expected: type) -> Callable[[Any, Any], Any]:
    """A structure hook that takes an instance as it is: cattrs would turn '5', 5.5 and True into an int."""

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, expected) and (expected is bool or not isinstance(value, bool)):
            return value
        raise ValueError(f"expected {expected.__name__}, not {show(value)}")

    return hook


def _positive(value: Any, _: Any) -> int:
    if is_positive_int(value):
        return int(value)
    raise ValueError(f"expected a positive int, not {show(value)}")


_converter = Converter(forbid_extra_keys=True)
for _type in (bool, int, str):
    _converter.register_structure_hook(_type, _strict(_type))
_converter.register_structure_hook(Positive, _positive)
_converter.register_structure_hook(Step, lambda value, _: value if isinstance(value, Step) else parse_step(value))


def structure(cls: type[T], mapping: object, path: str = "") -> T:
    """Make an attrs class from a mapping of its fields; ``path`` is what to call the mapping in an error.

    A wrong type, a value that a validator refuses, a missing and an unknown key are a `ConfigurationError` that
    starts with the path of the key.
    """
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(f"{path or 'configuration'}: expected a mapping, not {show(mapping)}")
    try:
        return _converter.structure(dict(mapping), cls)
    except ClassValidationError as group:
        raise ConfigurationError("; ".join(_explain(group, path))) from group


def _explain(error: BaseException, path: str) -> list[str]:
    """The messages of a cattrs error, each with the path of its key."""
    if isinstance(error, ClassValidationError):
        found = []
        for inner in error.exceptions:
            notes = [note for note in getattr(inner, "__notes__", ()) if isinstance(note, AttributeValidationNote)]
            found += _explain(inner, _join(path, notes[-1].name) if notes else path)
        return found
    if isinstance(error, ForbiddenExtraKeysError):
        known = ", ".join(attribute.name for attribute in fields(error.cl))
        besides = "" if path else " besides the keywords of Timeseries"
        return [
            f"{_join(path, str(key))}: unknown key; expected {f'one of {known}' if known else 'none'}{besides}"
            for key in sorted(error.extra_fields, key=str)
        ]
    if isinstance(error, KeyError):
        return [f"{path}: required key is missing"]
    return [f"{path}: {error}"]


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


@frozen(kw_only=True)
class IntervalConfig:
    """What a user writes about one interval (the seed's ``step``, ``steps``, ``resolution``)."""

    step: Step
    steps: Positive | None = None
    resolution: Step | None = None

    def interval(self, name: str) -> Interval:
        """The interval as the plans carry it; equal steps make it coarse (semantics 1.6)."""
        fine = self.resolution
        if fine is not None and fine.nominal > self.step.nominal:
            raise ConfigurationError(f"intervals[{name!r}].resolution: longer than the step")
        return Interval(name=name, step=self.step, steps=self.steps, resolution=None if fine == self.step else fine)


@frozen(kw_only=True)
class SeriesConfig:
    """The core's part of a Timeseries's configuration, checked."""

    kind: Kind
    intervals: Mapping[str, Interval]
    read_func: Callable[[Any], Any] | None
    write_func: Callable[[Any], Any] | None
    prefix: str
    clock: Clock
    max_buckets: int

    @classmethod
    def make(
        cls,
        *,
        type: Any,
        intervals: Any,
        read_func: Any,
        write_func: Any,
        prefix: Any,
        clock: Any,
        max_buckets: Any,
    ) -> SeriesConfig:
        """Check the keywords of a constructor."""
        if not isinstance(type, str) or type not in KINDS:
            raise ConfigurationError(f"type: expected one of {', '.join(KINDS)}, not {show(type)}")
        for key, function in (("read_func", read_func), ("write_func", write_func), ("clock", clock)):
            if not (callable(function) or (function is None and key != "clock")):
                raise ConfigurationError(f"{key}: expected a callable, not {show(function)}")
        if not is_positive_int(max_buckets):
            raise ConfigurationError(f"max_buckets: expected a positive int, not {show(max_buckets)}")
        return cls(
            kind=KINDS[type],
            intervals=_intervals(intervals),
            read_func=read_func,
            write_func=write_func,
            prefix=normal_prefix(prefix),
            clock=clock,
            max_buckets=max_buckets,
        )


def _intervals(given: object) -> dict[str, Interval]:
    if not isinstance(given, Mapping) or not given:
        raise ConfigurationError(f"intervals: expected a mapping with at least one interval, not {show(given)}")
    found = {}
    for given_name, mapping in given.items():
        try:
            name = check_name(given_name, "interval", None)
        except ValueError as error:
            raise ConfigurationError(f"intervals: {error}") from None
        found[name] = structure(IntervalConfig, mapping, f"intervals[{name!r}]").interval(name)
    return found


def normal_prefix(given: object) -> str:
    """The prefix without the colon that may end it: 'a' and 'a:' are the same (semantics 2.4)."""
    if given == "":
        return ""
    try:
        return check_name(given, "prefix", None).removesuffix(":")
    except ValueError as error:
        raise ConfigurationError(f"prefix: {error}") from None
