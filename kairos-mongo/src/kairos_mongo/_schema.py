"""The indexes of a collection: which there must be, and whether those that there are will do. Pure.

The name of the unique index says what the collection holds, so that another type, another type of values or another
prefix is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen
from pymongo import IndexModel

from kairos.backend import Shape
from kairos.errors import ConfigurationError

__all__ = ["CELL", "EXPIRY", "Schema"]

CELL = (("name", 1), ("interval", 1), ("i_time", 1), ("r_time", 1), ("chunk", 1))
"""The key of the unique index, and the order in which documents are read."""
EXPIRY = "kairos_expires_at"
_EXPIRY_KEY = (("expires_at", 1),)


@frozen(kw_only=True)
class Schema:
    """What a collection must have. ``type``, ``value_type`` (not of a count) and ``prefix`` say what it holds."""

    collection: str
    type: str
    value_type: str
    prefix: str
    shape: Shape
    cell: str = field(init=False)
    """The name of the unique index."""

    @cell.default
    def _name(self) -> str:
        held = self.type if self.shape is Shape.COUNTER else f"{self.type}_{self.value_type}"
        return f"kairos_{held}:{self.prefix}" if self.prefix else f"kairos_{held}"

    def missing(self, indexes: Iterable[Mapping[str, Any]]) -> dict[str, IndexModel]:
        """The indexes to make, by name. One that is there and different is a `ConfigurationError`.

        The TTL index is sparse: a cell that never expires is not in it.
        """
        by_key = {tuple(dict(index["key"]).items()): index for index in indexes}
        missing = {}
        if (found := by_key.get(CELL)) is None:
            missing[self.cell] = IndexModel(CELL, name=self.cell, unique=True)
        else:
            self._check_cell(found)
        if (found := by_key.get(_EXPIRY_KEY)) is None:
            missing[EXPIRY] = IndexModel(_EXPIRY_KEY, name=EXPIRY, expireAfterSeconds=0, sparse=True)
        elif found.get("expireAfterSeconds") != 0 or "partialFilterExpression" in found:
            raise ConfigurationError(
                f"collection: the index {found['name']!r} of {self.collection!r} is not the one that kairos needs, by "
                f"which documents expire at their expires_at; drop it, and the next insert makes {EXPIRY!r}"
            )
        return missing

    def _check_cell(self, found: Mapping[str, Any]) -> None:
        name = str(found["name"])
        if name == self.cell and found.get("unique") and not found.keys() & {"collation", "partialFilterExpression"}:
            return
        if not name.startswith("kairos_") or name == self.cell:
            raise ConfigurationError(
                f"collection: the index {name!r} of {self.collection!r} is not the one that kairos needs, which is "
                f"unique, covers all documents, compares by bytes and is called {self.cell!r}"
            )
        held, prefix = _parts(name)
        needed, own = _parts(self.cell)
        if prefix != own:
            held, needed = f"{held} of the prefix {prefix!r}", f"{needed} of the prefix {own!r}"
        raise ConfigurationError(f"collection: {self.collection!r} holds a {held}, not a {needed}")

    def foreign(self) -> ConfigurationError:
        """The collection holds documents, and kairos did not make it."""
        return ConfigurationError(
            f"collection: {self.collection!r} holds documents but not the index {self.cell!r}, so kairos did not make "
            "it; name another one"
        )


def _parts(name: str) -> tuple[str, str]:
    """What the name of a unique index says: the types in words, and the prefix."""
    held, _, prefix = name.removeprefix("kairos_").partition(":")
    return held.replace("_", " of "), prefix
