"""The read pipeline: fetch > process_row > condense > join_rows > collapse > transform.

Every stage is resolved to one callable per query (`kairos.hookspecs` says by whom) and then simply called. What comes
out has the shapes of semantics 4.2, the same for every backend.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from numbers import Integral
from typing import Any

from attrs import evolve, field, frozen

from kairos.aggregates import Summary, needed
from kairos.backend import Backend
from kairos.errors import InvalidValue
from kairos.hookspecs import HookContext
from kairos.kinds import TRANSFORMS, Kind
from kairos.plans import Aggregate, Interval, Query, Rows
from kairos.plugins import Plugins
from kairos.values import show

__all__ = ["Pipeline", "Stages", "checked_rows", "resolve"]

_CELLS = "{resolution bucket or None: data}"

Stage = Callable[..., Any]
Transform = Callable[[Any, Callable[[], int]], Any]
"""A bound transform: gets the data and a way to ask for the seconds that they cover."""


def _callable(_: object, attribute: Any, value: object) -> None:
    if not (value is None or callable(value)):
        raise InvalidValue(f"{attribute.name}: expected a callable, not {show(value)}")


def _switch(_: object, attribute: Any, value: object) -> None:
    if not (value is None or isinstance(value, bool) or callable(value)):
        raise InvalidValue(f"{attribute.name}: expected True, False or a callable, not {show(value)}")


@frozen(kw_only=True)
class Stages:
    """The keywords with which a call customizes its reading."""

    fetch: Stage | None = field(default=None, validator=_callable)
    process_row: Stage | None = field(default=None, validator=_callable)
    condense: bool | Stage | None = field(default=False, validator=_switch)
    join_rows: Stage | None = field(default=None, validator=_callable)
    collapse: bool | Stage | None = field(default=False, validator=_switch)
    transform: Any = None


def resolve(
    stages: Stages,
    context: HookContext,
    *,
    joined: bool,
    kind: Kind,
    read_func: Stage | None,
    plugins: Plugins,
    backend: Backend,
) -> Pipeline:
    """Choose the callable of every stage, once for the whole query. ``context.default`` is the built-in fetch.

    If all of them are built in, the backend may compute what the transforms need.
    """
    between = read_func is not None

    def choose(stage: str, keyword: Stage | None, built_in: Stage | None, name: str | None = None) -> Any:
        nonlocal between
        found = plugins.resolve(stage, ask(keyword, built_in, name))
        between = between or found is not built_in
        return found

    def ask(keyword: Stage | None, built_in: Stage | None, name: str | None = None) -> HookContext:
        default = built_in if keyword is None else keyword
        return evolve(context, default=default, by_keyword=keyword is not None, name=name)

    def process(data: Any) -> Any:
        try:
            return kind.process_row(data, read_func)
        except (AttributeError, TypeError) as error:
            if read_func is not None:
                raise  # it may be its own, and passes through
            raise InvalidValue(
                f"fetch: {show(data)} is no data of a {kind.name}; where it shall be, give a process_row too"
            ) from error

    if inspect.iscoroutinefunction(stages.fetch) and not context.asynchronous:
        raise InvalidValue("fetch: an async function needs AsyncTimeseries")
    fine = context.query.interval.resolution is not None
    condense = collapse = None
    custom = stages.condense if callable(stages.condense) else None
    if (stages.condense and fine) or stages.collapse:
        condense = choose("condense", custom, kind.condense)
    if stages.collapse:
        own = stages.collapse if callable(stages.collapse) else custom
        collapse = choose("collapse", own, condense)
    asked = ask(stages.process_row, process)
    process_row = plugins.resolve("process_row", asked)
    between = between or process_row is not process
    pipeline = Pipeline(
        empty=kind.empty,
        interval=context.query.interval,
        names=context.query.names,
        fetch=choose("fetch", None if stages.fetch is None else context.adapt(stages.fetch), context.default),
        process_row=process_row,
        condense=condense if fine else None,
        join_rows=choose("join_rows", stages.join_rows, kind.merge) if joined else None,
        collapse=collapse,
        transform=_transforms(stages.transform, lambda given: _transform(given, kind, choose)),
        # A custom process_row replaces read_func, for a gauge without data too (semantics 4.3).
        no_data_func=read_func if asked.built_in else None,
    )
    if between:
        return pipeline
    merged = condense is not None or len(context.query.names) > 1
    return _summarized(pipeline, needed(kind, _names(stages.transform), backend, merged=merged), kind, stages.transform)


def checked_rows(given: Any, names: Collection[str]) -> Rows:
    """What a fetch gave, if it has the form of rows, as far as one look at each name can tell."""
    if not isinstance(given, Mapping):
        if hasattr(given, "close"):
            given.close()  # a coroutine that nobody will await
        raise InvalidValue(f"fetch: expected {{name: {{bucket: {_CELLS}}}}}, not {show(given)}")
    asked = frozenset(names)
    for name, buckets in given.items():
        if name not in asked:
            raise InvalidValue(f"fetch: gave data of {show(name)}, which is none of the names that were asked for")
        if not buckets:
            continue
        if not isinstance(buckets, Mapping):
            raise InvalidValue(f"fetch: expected {{bucket: {_CELLS}}} of {show(name)}, not {show(buckets)}")
        if not isinstance(first := next(iter(buckets)), Integral):
            raise InvalidValue(f"fetch: expected an int as a bucket of {show(name)}, not {show(first)}")
    return dict(given)


def _names(given: Any) -> Collection[str]:
    """The names of transforms; none if one of them is a callable."""
    several = given.values() if isinstance(given, Mapping) else given if _is_several(given) else [given]
    return list(several) if all(isinstance(name, str) for name in several) else []


def _summarized(pipeline: Pipeline, aggregates: tuple[Aggregate, ...], kind: Kind, transform: Any) -> Pipeline:
    """The same stages on aggregates instead of the data, if there are any."""
    if not aggregates:
        return pipeline
    summary = Summary(aggregates, keyed=kind.keyed)
    return evolve(
        pipeline,
        aggregates=aggregates,
        empty=summary.empty,
        process_row=summary.process_row,
        condense=None if pipeline.condense is None else summary.condense,
        join_rows=None if pipeline.join_rows is None else summary.merge,
        collapse=None if pipeline.collapse is None else summary.condense,
        transform=_transforms(transform, summary.transform),
    )


def _transform(given: object, kind: Kind, choose: Callable[..., Any]) -> Transform:
    if isinstance(given, str):
        found = choose("transform", None, kind.transform(given), given)
        if found is None:
            raise InvalidValue(f"transform: unknown name {given!r}; built in are {', '.join(TRANSFORMS)}")
    elif callable(given):
        found = choose("transform", given, None)
    else:
        raise InvalidValue(f"transform: expected a name or a callable, not {show(given)}")
    if _takes_seconds(found):
        return lambda data, seconds: found(data, seconds())
    return lambda data, seconds: found(data)  # noqa: ARG005 - one signature for both


def _takes_seconds(function: Stage) -> bool:
    """Whether a transform has two required arguments; one without a readable signature has not (semantics 4.5)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is p.empty for p in parameters) == 2


def _is_several(given: object) -> bool:
    return isinstance(given, (list, tuple, set, frozenset))


def _transforms(given: Any, bind: Callable[[Any], Transform]) -> Transform | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        bound = {name: bind(item) for name, item in given.items()}
    elif _is_several(given):
        bound = {item: bind(item) for item in given}
    else:
        return bind(given)
    return lambda data, seconds: {key: function(data, seconds) for key, function in bound.items()}


@frozen(kw_only=True)
class Pipeline:
    """The stages of one query, resolved. ``condense``, ``join_rows``, ``collapse`` and ``transform`` may be None.

    ``aggregates`` is what to ask the backend for instead of the data. ``empty`` makes the value of no data.
    """

    aggregates: tuple[Aggregate, ...] = ()
    empty: Callable[[], Any]
    interval: Interval
    names: tuple[str, ...]
    fetch: Callable[[Query], Any]
    process_row: Stage
    condense: Stage | None
    join_rows: Stage | None
    collapse: Stage | None
    transform: Transform | None
    no_data_func: Stage | None

    @property
    def is_whole(self) -> bool:
        """Whether a bucket reads as one data, rather than as its resolution buckets."""
        return self.interval.resolution is None or self.condense is not None

    def items(self, rows: Rows, first: int, last: int) -> Iterator[tuple[int, Any]]:
        """What ``get`` gives for each bucket of a range, in order: (timestamp, data)."""
        for bucket in self.interval.step.range(first, last):
            if self.is_whole:
                _, data = self._whole(rows, bucket)
                yield (
                    self.interval.step.start(bucket),
                    self._final(data, partial(self.interval.step.seconds, bucket)),
                )
            else:
                yield from self._parts(rows, bucket)

    def series(self, rows: Rows, first: int, last: int) -> dict[int, Any]:
        """What ``series`` gives for a range of buckets."""
        step = self.interval.step
        if self.collapse is not None:
            found = {}
            for bucket in step.range(first, last):
                present, data = self._whole(rows, bucket)
                if present:
                    found[step.start(bucket)] = data
            start = step.start(first)
            data = self.collapse(found) if found else self._nothing()
            return {start: self._final(data, lambda: step.start(step.shift(last, 1)) - start)}
        if self.is_whole:
            return dict(self.items(rows, first, last))
        return {step.start(bucket): dict(self._parts(rows, bucket)) for bucket in step.range(first, last)}

    def _whole(self, rows: Rows, bucket: int) -> tuple[bool, Any]:
        """(whether there is any, data) of a bucket: each name condensed by itself, then joined."""
        found, present = [], False
        for name in self.names:
            cells = self._cells(rows, name, bucket)
            if not cells:
                found.append(self.empty())
                continue
            present = True
            if self.condense is None:
                found.append(cells[None])
            else:
                fine = self.interval.resolution
                assert fine is not None
                found.append(self.condense({fine.start(part): data for part, data in cells.items()}))
        if self.join_rows is not None:
            data = self.join_rows(found)
        else:
            (data,) = found
        if not present and data is None and self.empty() is None:
            data = self._nothing()
        return present, data

    def _parts(self, rows: Rows, bucket: int) -> Iterator[tuple[int, Any]]:
        """(resolution timestamp, data) of the resolution buckets that hold data, joined where there are names."""
        fine = self.interval.resolution
        assert fine is not None
        found = [self._cells(rows, name, bucket) for name in self.names]
        for part in sorted(set().union(*found)):
            if self.join_rows is not None:
                data = self.join_rows([cells[part] if part in cells else self.empty() for cells in found])
            else:
                data = found[0][part]
            yield fine.start(part), self._final(data, partial(fine.seconds, part))

    def _cells(self, rows: Rows, name: str, bucket: int) -> dict[Any, Any]:
        """The processed cells of a bucket. What an earlier configuration stored in another way is passed over."""
        cells = (rows.get(name) or {}).get(bucket) or {}
        if type(cells) is not dict and not isinstance(cells, Mapping):
            raise InvalidValue(f"fetch: expected {_CELLS}, not {show(cells)}")
        if self.interval.resolution is None:
            return {None: self.process_row(cells[None])} if None in cells else {}
        return {part: self.process_row(cells[part]) for part in sorted(p for p in cells if p is not None)}

    def _nothing(self) -> Any:
        """The empty value; of a gauge read_func('') where that works (semantics 4.3)."""
        empty = self.empty()
        if empty is None and self.no_data_func is not None:
            try:
                return self.no_data_func("")
            except (ValueError, TypeError):
                return None
        return empty

    def _final(self, data: Any, seconds: Callable[[], int]) -> Any:
        return data if self.transform is None else self.transform(data, seconds)
