"""The public API as text: one line for everything that docs/compatibility.md calls public, with its signature."""

import inspect
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path

from kairos.backend import Backend

FOLDER = Path(__file__).parent / "api"
# Per distribution its public modules; the names of one, where not all in `__all__` are for others.
PUBLIC: dict[str, dict[str, list[str] | None]] = {
    "kairos-core": {
        "kairos": None,
        "kairos.backend": None,
        "kairos.config": ["Positive", "structure"],
        "kairos.memory": ["MemoryStore"],
        "kairos.plans": None,
        "kairos.registry": ["register"],
        "kairos.steps": ["Step", "parse_step"],
        "kairos.urls": ["redact"],
        "kairos.values": None,
    },
    "kairos-cassandra": {"kairos_cassandra": None},
    "kairos-conformance": {"kairos_conformance": None},
    "kairos-mongo": {"kairos_mongo": None},
    "kairos-redis": {"kairos_redis": None},
    "kairos-sql": {"kairos_sql": None},
}


def listing(distribution: str) -> list[str]:
    """Everything public of a distribution."""
    return [
        line
        for module, names in PUBLIC[distribution].items()
        for name in names or import_module(module).__all__
        for line in described(f"{module}.{name}", getattr(import_module(module), name))
    ]


def described(path: str, found: object) -> Iterator[str]:
    """One line for a function or a value; for a class one more for each public member."""
    if not inspect.isclass(found):
        yield f"{path}{signature(found)}" if inspect.isroutine(found) else f"{path}: {type(found).__name__}"
        return
    bases = ", ".join(base.__name__ for base in found.__bases__ if base is not object)
    is_called = "__init__" in vars(found) or not issubclass(found, (Backend, BaseException, Enum))
    yield f"class {path}({bases})" + (f": {signature(found)}" if is_called else "")
    if issubclass(found, Backend) and found is not Backend:
        return  # it has what the contract says, and that is listed there
    for name, member in sorted(members(found).items()):
        if isinstance(member, property):
            yield f"{path}.{name}: property"
        elif inspect.isroutine(member):
            yield f"{path}.{name}{signature(getattr(found, name))}"
        else:
            yield f"{path}.{name}"


def members(found: type) -> dict[str, object]:
    """The public attributes that a class has from modules of ours, those of a private base included."""
    ours = [base for base in reversed(found.__mro__) if base.__module__.startswith("kairos")]
    own: dict[str, object] = dict.fromkeys(name for base in ours for name in vars(base).get("__annotations__", {}))
    own |= {name: value for base in ours for name, value in vars(base).items()}
    return {name: value for name, value in own.items() if not name.startswith(("_", "test_"))}


def signature(found: object) -> str:
    """How it is called; of a library's function only that it is."""
    if not getattr(found, "__module__", "").startswith("kairos"):
        return "(…)"
    parameters = inspect.signature(found).parameters.values()  # type: ignore[arg-type]
    plain = (type(None), bool, int, float, str, type)  # a parameter without a default has a class there
    shown = [one if isinstance(one.default, plain) else one.replace(default=...) for one in parameters]
    returns = inspect.signature(found).return_annotation  # type: ignore[arg-type]
    return str(inspect.Signature(shown, return_annotation=returns)).replace("'", "")


def main() -> None:
    """Write the listings, for a release: what changes after it is compared with them."""
    FOLDER.mkdir(exist_ok=True)
    for distribution in PUBLIC:
        (FOLDER / f"{distribution}.txt").write_text("".join(f"{line}\n" for line in listing(distribution)))


if __name__ == "__main__":
    main()
