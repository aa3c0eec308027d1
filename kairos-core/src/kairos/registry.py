"""Which backend serves a URL or a client: looked up by entry point, loaded only when it is asked for.

Two groups of entry points: ``kairos.backends``, named after the URL scheme, and ``kairos.clients``, named after the
top-level package of the client's class. A plugin that cannot be loaded hurts only whoever asks for it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from importlib_metadata import EntryPoint, entry_points

from kairos.backend import API_VERSION, Backend
from kairos.errors import BackendNotFound, ConfigurationError

__all__ = ["BACKENDS", "CLIENTS", "entry", "find_backend", "register"]

BACKENDS = "kairos.backends"
CLIENTS = "kairos.clients"

_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):")
_PACKAGES = {
    "kairos-redis": ("redis", "rediss", "unix", "valkey", "valkeys", "fakeredis"),
    "kairos-mongo": ("mongodb", "mongodb+srv", "pymongo"),
    "kairos-sql": ("sqlite", "postgresql", "mysql", "mariadb", "sqlalchemy"),
    "kairos-cassandra": ("cassandra", "cql"),
}
_PACKAGE_OF = {name: package for package, names in _PACKAGES.items() for name in names}
_VERBS = {name for name, found in vars(Backend).items() if name[0] != "_" and inspect.isroutine(getattr(Backend, name))}
_registered: dict[tuple[str, str], type[Backend]] = {}


@cache
def _installed(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=group):
        found.setdefault(point.name, []).append(point)
    return found


def entry(group: str, name: str) -> type[Backend] | None:
    """The backend class that a name of a group stands for, loaded and checked; None if nobody claims the name."""
    if registered := _registered.get((group, name)):
        return registered
    points = _installed(group).get(name, [])
    if not points:
        return None
    if len({point.value for point in points}) > 1:
        claims = " and ".join(sorted(f"{_distribution(point)} ({point.value})" for point in points))
        raise BackendNotFound(f"{name!r} in {group} is claimed by {claims}; uninstall one of them")
    point = points[0]
    try:
        loaded = point.load()
    except Exception as error:
        raise BackendNotFound(
            f"the backend for {name!r}, {point.value} of {_distribution(point)}, cannot be loaded: {error!r}"
        ) from error
    return _checked(loaded, lambda: f"{point.value} of {_distribution(point)}")


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "an unknown distribution"


def _checked(loaded: Any, what: Callable[[], str]) -> type[Backend]:
    """Refuse what is no backend; ``what`` names it, which takes reading the metadata of a distribution."""
    if not (isinstance(loaded, type) and issubclass(loaded, Backend)):
        raise BackendNotFound(f"{what()} is not a subclass of kairos.backend.Backend")
    if loaded.api_version != API_VERSION:
        raise BackendNotFound(
            f"{what()} is written for version {loaded.api_version} of the backend contract; "
            f"this kairos-core has version {API_VERSION}"
        )
    if problems := _problems(loaded):
        raise BackendNotFound(f"{what()} does not follow the contract of kairos.backend.Backend: {'; '.join(problems)}")
    return loaded


@cache
def _problems(loaded: type[Backend]) -> list[str]:
    """What a class lacks that the core calls: verbs, and parameters of verbs."""
    missing = sorted(loaded.__abstractmethods__)
    problems = [f"it has no {', '.join(missing)}"] if missing else []
    for name in sorted(_VERBS - set(missing)):
        wanted, found = _signature(getattr(Backend, name)), _signature(getattr(loaded, name))
        by_position = [p.name for p in wanted.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
        by_keyword = {p.name: p for p in wanted.parameters.values() if p.kind is p.KEYWORD_ONLY}
        try:
            found.bind(*by_position, **by_keyword)
        except TypeError:
            problems.append(f"{name}{found} is called as {name}{wanted}")
    return problems


def _signature(verb: Callable[..., Any]) -> inspect.Signature:
    """Its parameters, without their types."""
    parameters = inspect.signature(verb).parameters.values()
    return inspect.Signature([parameter.replace(annotation=parameter.empty) for parameter in parameters])


def find_backend(target: object) -> tuple[type[Backend], str]:
    """The backend class for a URL (its scheme, else what stands before a ``+``) or a client (the top-level package of
    its class or of a base class), and the name by which it was found.
    """
    if isinstance(target, str):
        match = _SCHEME.match(target)
        if match is None:
            raise ConfigurationError(
                "client: this str is not a URL, since it starts with no scheme (such as sqlite:///data.db)"
            )
        scheme = match["scheme"].lower()
        return _first(BACKENDS, dict.fromkeys((scheme, scheme.partition("+")[0])), f"URL scheme {scheme!r}")
    if target is None:
        raise ConfigurationError("client: expected a URL or a client of a supported database, not None")
    packages = dict.fromkeys(base.__module__.partition(".")[0] for base in type(target).__mro__)
    packages.pop("builtins", None)
    return _first(CLIENTS, packages, f"client of class {type(target).__module__}.{type(target).__qualname__}")


def _first(group: str, names: Iterable[str], what: str) -> tuple[type[Backend], str]:
    names = list(names)
    for name in names:
        if found := entry(group, name):
            return found, name
    installed = sorted({*_installed(group), *(name for of, name in _registered if of == group)})
    package = next((_PACKAGE_OF[name] for name in names if name in _PACKAGE_OF), None)
    here = {point.dist.name for points in _installed(BACKENDS).values() for point in points if point.dist}
    advice = f"; try: pip install {package}" if package else ""
    if package in here:
        advice = f"; the {package} that is installed has none yet"
    raise BackendNotFound(f"no backend for the {what}; installed are: {', '.join(installed) or 'none'}{advice}")


@contextmanager
def register(backend: type[Backend], *, schemes: Iterable[str] = (), packages: Iterable[str] = ()) -> Iterator[None]:
    """Claim URL schemes and packages of clients for a backend class without installing it, before all entry points;
    for tests. A context manager: what it claims is given back at its end.
    """
    keys = [*((BACKENDS, scheme) for scheme in schemes), *((CLIENTS, package) for package in packages)]
    before = {key: _registered.get(key) for key in keys}
    _registered.update(dict.fromkeys(keys, _checked(backend, lambda: f"{backend!r}")))
    try:
        yield
    finally:
        for key, previous in before.items():
            if previous is None:
                del _registered[key]
            else:
                _registered[key] = previous
