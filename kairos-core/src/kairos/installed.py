"""Every backend and every plugin with read hooks that is installed, loaded and checked.

Everything is tried, so this imports what a program would import only when it asks for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import field, fields, frozen
from importlib_metadata import EntryPoint, entry_points

from kairos.backend import Backend, Capabilities, Shape
from kairos.errors import BackendNotFound, PluginError
from kairos.plans import Aggregate
from kairos.plugins import GROUP, Plugins, is_blocked
from kairos.registry import BACKENDS, CLIENTS, entry

__all__ = ["Found", "installed_backends", "installed_plugins"]


@frozen(kw_only=True)
class Found:
    """A backend or a plugin: where it is from, what it says of itself, and why it cannot be used (None: it can)."""

    value: str
    distributions: tuple[str, ...]
    facts: dict[str, str] = field(factory=dict)
    problem: str | None = None

    def lines(self) -> Iterator[str]:
        """It in words, one line a fact."""
        yield f"  {self.value} ({', '.join(self.distributions)})"
        for label, text in self.facts.items():
            yield f"    {label}: {text}"
        if self.problem is not None:
            yield f"    BROKEN: {self.problem}"


def installed_backends() -> list[Found]:
    """Every backend class that an entry point names, with its schemes, its packages of clients and what it can do."""
    points = [*entry_points(group=BACKENDS), *entry_points(group=CLIENTS)]
    return [_backend(value, of) for value, of in _by_value(points).items()]


def installed_plugins() -> list[Found]:
    """Every plugin with read hooks, in the order in which they are loaded: the last is asked first."""
    points = sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value))
    return [_plugin(point, twice=sum(other.name == point.name for other in points) > 1) for point in points]


def _by_value(points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(points, key=lambda point: (point.value, point.group, point.name)):
        found.setdefault(point.value, []).append(point)
    return found


def _backend(value: str, points: list[EntryPoint]) -> Found:
    groups = {"schemes": BACKENDS, "clients": CLIENTS}
    facts = {
        label: ", ".join(names)
        for label, group in groups.items()
        if (names := sorted({point.name for point in points if point.group == group}))
    }
    problems: dict[str, None] = {}
    loaded: type[Backend] | None = None
    for point in points:
        try:
            loaded = entry(point.group, point.name)
        except BackendNotFound as error:
            problems[str(error)] = None
    if loaded is not None:
        facts["capabilities"] = _capabilities(loaded)
    return Found(value=value, distributions=_distributions(points), facts=facts, problem="; ".join(problems) or None)


def _capabilities(backend: type[Backend]) -> str:
    """What an instance can do, as far as the class can know."""
    declared = next(vars(base)["capabilities"] for base in backend.__mro__ if "capabilities" in vars(base))
    if not isinstance(declared, Capabilities) or declared is Backend.capabilities:
        return "up to the server and the configuration"
    return ", ".join(f"{one.name}={_shown(getattr(declared, one.name))}" for one in fields(Capabilities))


def _shown(value: object) -> str:
    if not isinstance(value, frozenset):
        return str(value)
    everything: list[object] = [frozenset(Shape), frozenset(Aggregate)]
    return "all" if value in everything else "+".join(sorted(value)) or "none"


def _plugin(point: EntryPoint, *, twice: bool) -> Found:
    facts, problem = {"name": point.name}, None
    if is_blocked(point.name):
        facts["left out"] = "by KAIROS_DISABLE_PLUGINS"
    elif twice:
        problem = "two plugins have this name: uninstall one of them"
    else:
        try:
            facts["hooks"] = ", ".join(Plugins.try_out(point))
        except PluginError as error:
            problem = str(error)
    return Found(value=point.value, distributions=_distributions([point]), facts=facts, problem=problem)


def _distributions(points: Iterable[EntryPoint]) -> tuple[str, ...]:
    found = {f"{point.dist.name} {point.dist.version}" if point.dist else "no distribution" for point in points}
    return tuple(sorted(found))
