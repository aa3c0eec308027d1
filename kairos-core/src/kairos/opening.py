"""From a constructor's keywords to a planner with an open backend. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kairos.backend import StoreConfig
from kairos.config import SeriesConfig
from kairos.errors import ConfigurationError, InvalidValue
from kairos.flows import Awaiting, Blocking
from kairos.grouping import Grouping, acceptor
from kairos.planning import Planner
from kairos.plans import Interval
from kairos.plugins import Plugins
from kairos.registry import find_backend
from kairos.steps import DAY
from kairos.values import check_name, show

__all__ = ["open_planner"]


def open_planner(
    client: object,
    config: SeriesConfig,
    *,
    asynchronous: bool,
    plugins: Iterable[object],
    value_type: object,
    client_config: object,
    create: object,
    options: Mapping[str, Any],
) -> Planner:
    """Find the plugins and the backend, open it, and check what it can do against the configuration."""
    if not isinstance(create, bool):
        raise ConfigurationError(f"create: expected True or False, not {show(create)}")
    if client_config is None:
        client_config = {}
    elif not (isinstance(client, str) and isinstance(client_config, Mapping)):
        raise ConfigurationError("client_config: a mapping, taken only where the client is a URL")
    hooks = Plugins.load(plugins)
    found, scheme = find_backend(client)
    store = StoreConfig(
        prefix=config.prefix,
        type=config.kind.name,
        shape=config.kind.shape,
        intervals=config.intervals,
        value_type=value_type,
        create=create,
        client_config=dict(client_config),
        options=options,
    )
    backend = found.open(client, store, asynchronous=asynchronous)
    if config.kind.shape not in backend.shapes:
        raise ConfigurationError(f"type: {config.kind.name} is not a type that {found.__name__} can store")
    limits = backend.capabilities
    for name in config.intervals:
        try:
            check_name(name, "interval", limits.max_name_bytes)
        except InvalidValue as error:
            raise ConfigurationError(f"intervals: {error}") from None
    _check_lives(config.intervals.values(), limits.max_life, found.__name__)
    grouping = Grouping(
        kind=config.kind,
        intervals=config.intervals,
        accept=acceptor(config.kind, backend.value_type, value_type, float_counts=limits.float_counts),
        write_func=config.write_func,
        max_name_bytes=limits.max_name_bytes,
        max_life=limits.max_life,
    )
    colour = Awaiting(in_thread=backend.blocking) if asynchronous else Blocking()
    return Planner(config=config, backend=backend, scheme=scheme, plugins=hooks, grouping=grouping, colour=colour)


def _check_lives(intervals: Iterable[Interval], longest: int | None, backend: str) -> None:
    """Refuse an interval that keeps its data for longer than the backend can."""
    for interval in intervals:
        life = interval.expires_at(interval.step.bucket(0))
        if longest is not None and interval.steps is not None and (life is None or life > longest):
            kept = "thousands of years" if life is None else f"{life / DAY:.0f} days"
            raise ConfigurationError(
                f"intervals[{interval.name!r}].steps: {interval.steps} are {kept}; {backend} keeps what expires for "
                f"{longest / DAY:.0f} days at most, and what has no steps for ever"
            )
