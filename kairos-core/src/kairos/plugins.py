"""Plugins with read hooks: a small typed wrapper around pluggy's PluginManager, one for each Timeseries."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import pluggy
from attrs import define, field
from importlib_metadata import EntryPoint, entry_points

from kairos import hookspecs
from kairos.errors import ConfigurationError, PluginError
from kairos.hookspecs import HookContext, hookimpl
from kairos.values import show

__all__ = ["GROUP", "STAGES", "Plugins", "is_blocked"]

GROUP = "kairos.plugins"
DISABLE = "KAIROS_DISABLE_PLUGINS"
STAGES = ("fetch", "process_row", "condense", "join_rows", "collapse", "transform")


def is_blocked(name: str) -> bool:
    """Whether ``KAIROS_DISABLE_PLUGINS`` leaves a plugin out: it holds names with commas between, or ``*``."""
    return not {name, "*"}.isdisjoint(part.strip() for part in os.environ.get(DISABLE, "").split(","))


@cache
def _installed() -> tuple[tuple[str, Any], ...]:
    """The plugins of the process, (entry point name, plugin), loaded once, sorted by name so that their order does
    not depend on the order of installation.
    """
    found: dict[str, Any] = {}
    owners: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        if is_blocked(point.name):
            continue
        if point.name in found:
            raise PluginError(f"plugin {point.name!r} is there twice: as {owners[point.name]} and as {_who(point)}")
        owners[point.name] = _who(point)
        found[point.name] = _instance(_load(point), point.name)
    return tuple(found.items())


@cache
def _common() -> Plugins:
    """What every Timeseries without plugins of its own shares: to register them would be most of the work of opening
    one.
    """
    return Plugins._with([])  # noqa: SLF001 - of this module


def _load(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise PluginError(
            f"plugin {point.name!r}, {_who(point)}, cannot be loaded: {error!r}; {DISABLE}={point.name} leaves it out"
        ) from error


def _instance(plugin: object, name: str) -> object:
    try:
        return plugin() if isinstance(plugin, type) else plugin
    except (ValueError, TypeError) as error:
        raise _unusable(name, error) from error


def _unusable(name: str, error: Exception) -> PluginError:
    return PluginError(f"plugin {name!r} cannot be used: {error}")


def _who(point: EntryPoint) -> str:
    return f"{point.value} of {point.dist.name if point.dist else 'an unknown distribution'}"


class _Keyword:
    """Gives what a keyword of the call says."""


class _BuiltIn:
    """Gives what is built in, if nobody gave anything else."""


def _built_in(_: _BuiltIn, context: HookContext) -> Any:
    context.built_in.append(context.default)
    return context.default


# Both choices come through the same hook call as every plugin, or a wrapper would see None.
for _stage in STAGES:
    setattr(
        _Keyword,
        _stage,
        hookimpl(lambda _, context: context.default if context.by_keyword else None, tryfirst=True),
    )
    setattr(_BuiltIn, _stage, hookimpl(_built_in, trylast=True))


@define
class Plugins:
    """The plugins of one Timeseries: those of the process, then its own, which are asked before them."""

    _manager: pluggy.PluginManager = field(factory=lambda: pluggy.PluginManager("kairos"))

    @classmethod
    def load(cls, extra: Iterable[object] = ()) -> Plugins:
        """The installed plugins and ``extra``; a broken or misspelt one is a `PluginError` that names it. A class is
        instantiated without arguments, an installed one once in a process.
        """
        if isinstance(extra, (str, bytes, Mapping)) or not isinstance(extra, Iterable):
            raise ConfigurationError(f"plugins: expected a list of plugins, not {show(extra)}")
        named: list[tuple[str, object]] = []
        for number, plugin in enumerate(extra):
            name = f"{getattr(plugin, '__name__', type(plugin).__qualname__)} (plugins[{number}])"
            named.append((name, _instance(plugin, name)))
        return cls._with(named) if named else _common()

    @classmethod
    def _with(cls, own: Iterable[tuple[str, object]]) -> Plugins:
        made = cls()
        made._manager.add_hookspecs(hookspecs)
        for name, plugin in (*_installed(), *own):
            made._register(plugin, name)
        # Of two that want to be first the later one is, and of two that want to be last as well: so no plugin comes
        # before what the caller wrote, nor after what is built in.
        made._manager.register(_Keyword(), "keywords of the call")
        made._manager.register(_BuiltIn(), "built-in stages")
        return made

    @classmethod
    def try_out(cls, point: EntryPoint) -> list[str]:
        """Load and check one installed plugin by itself; returns the hooks that it has, or raises `PluginError`."""
        made = cls()
        made._manager.add_hookspecs(hookspecs)
        made._register(_instance(_load(point), point.name), point.name)
        return [stage for stage in STAGES if getattr(made._manager.hook, stage).get_hookimpls()]

    def _register(self, plugin: object, name: str) -> None:
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except pluggy.PluginValidationError as error:
            hooks = ", ".join(STAGES)
            raise PluginError(
                f"plugin {name!r} cannot be used: {error}; the hooks are {hooks}, and get a context"
            ) from error
        except (ValueError, TypeError) as error:
            raise _unusable(name, error) from error
        if not self._manager.get_hookcallers(plugin):
            raise PluginError(f"plugin {name!r} has no function that is marked by kairos.hookimpl")

    def resolve(self, stage: str, context: HookContext) -> Any:
        """The callable for a stage, asked of all plugins; None only if there is no default and no plugin has one."""
        caller = getattr(self._manager.hook, stage)
        found = caller(context=context)
        if callable(found) or (found is None and context.default is None):
            return found
        names = ", ".join(sorted(impl.plugin_name for impl in caller.get_hookimpls()))
        raise PluginError(f"the hook {stage} gave {show(found)}, which is not callable; it was asked of: {names}")
