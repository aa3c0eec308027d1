"""What is asked of a collection, and how its documents become rows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from kairos.backend import Shape
from kairos.plans import Bounds, Cutoffs, Interval, Query, Selector, Span
from kairos_mongo._keys import key_of
from kairos_mongo._updates import OPEN
from kairos_mongo._values import Stored

__all__ = ["EVERYTHING", "PROJECTION", "Cells", "Decoder", "bounds_in", "counted", "discovery", "selection", "wanted"]

Cells = dict[int, dict[int | None, Any]]

PROJECTION = {"_id": 0, "name": 1, "i_time": 1, "r_time": 1, "value": 1}
EVERYTHING: Mapping[str, Any] = {"name": {"$gte": ""}, "i_time": {"$gte": -(2**63)}}
"""All documents that kairos may have written: with a text and a number where it writes them."""


def wanted(query: Query, names: Sequence[str]) -> dict[str, Any]:
    """The filter of a read. It is all equalities and then one range, in the order of the index."""
    return {
        "name": names[0] if len(names) == 1 else {"$in": list(names)},
        "interval": query.interval.name,
        "i_time": query.first if query.first == query.last else _range(query.first, query.last),
    }


@frozen
class Decoder:
    """Turns documents into the rows of a read."""

    shape: Shape
    stored: Stored

    def add(self, cells: Cells, bucket: int, part: int | None, value: Any) -> None:
        """Add the value of one document: a cell may be several, in the order of their chunks."""
        row = cells.setdefault(bucket, {})
        data = self.data(value)
        if part not in row:
            row[part] = data
        elif isinstance(data, list):
            row[part].extend(data)
        elif isinstance(data, set):
            row[part] |= data
        elif isinstance(data, dict):
            for key, n in data.items():
                row[part][key] = row[part].get(key, 0) + n
        else:
            row[part] = data

    def data(self, value: Any) -> Any:
        """A stored value as data. What is not of the stored form is a custom fetch's own, and stays as it is."""
        if self.shape is Shape.LIST:
            return self.stored.decode_all(value) if isinstance(value, list) else value
        if self.shape is Shape.SET:
            return set(self.stored.decode_all(value)) if isinstance(value, list) else value
        if self.shape is Shape.COUNTERS:
            return {key_of(name): int(n) for name, n in value.items()} if isinstance(value, Mapping) else value
        if self.shape is Shape.COUNTER:
            return int(value) if isinstance(value, int) else value
        return self.stored.decode(value)

    def rows(self, documents: Iterable[Mapping[str, Any]], interval: Interval, found: dict[str, Cells]) -> None:
        """Add documents of several names. Those that an earlier configuration stored in another way are passed over."""
        coarse = interval.resolution is None
        for document in documents:
            part = document["r_time"]
            if (part is None) is coarse:
                part = None if part is None else int(part)  # from 2038 on the seconds are an Int64
                self.add(found[document["name"]], int(document["i_time"]), part, document["value"])


# --- Names and bounds -----------------------------------------------------------------------------------------------


def discovery(collection: str, cutoffs: Cutoffs, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The pipeline that looks up, for each name, the first and the last bucket that is visible in each interval.

    The names come from a scan that skips from one to the next (DISTINCT_SCAN), and each look-up reads one entry of the
    index. Without ``names`` it gives all names that have visible data, and only them.
    """
    stages: list[dict[str, Any]] = [
        {"$match": {"name": {"$gte": ""} if names is None else {"$in": list(names)}}},
        {"$sort": {"name": 1}},
        {"$group": {"_id": "$name"}},
    ]
    ends = {"first": 1} if names is None else {"first": 1, "last": -1}
    fields = []
    for number, (interval, cutoff) in enumerate(cutoffs.items()):
        visible = {"interval": interval, "i_time": {"$gte": -(2**63) if cutoff is None else cutoff}}
        for end, order in ends.items():
            steps = [
                {"$match": visible},
                {"$sort": {"i_time": order}},
                {"$limit": 1},
                {"$project": {"_id": 0, "i_time": 1}},
            ]
            fields.append(f"{end}{number}")
            look_up = {"from": collection, "localField": "_id", "foreignField": "name", "pipeline": steps}
            stages.append({"$lookup": {**look_up, "as": fields[-1]}})
    if names is None:
        stages += [{"$match": {"$or": [{name: {"$ne": []}} for name in fields]}}, {"$project": {"_id": 1}}]
    return stages


def bounds_in(documents: Iterable[Mapping[str, Any]], cutoffs: Cutoffs) -> Bounds:
    """The bounds in what `discovery` gave for names."""
    found: Bounds = {}
    for document in documents:
        for number, interval in enumerate(cutoffs):
            if document[f"first{number}"] and document[f"last{number}"]:
                (first,), (last,) = document[f"first{number}"], document[f"last{number}"]
                found.setdefault(document["_id"], {})[interval] = (int(first["i_time"]), int(last["i_time"]))
    return found


# --- Deleting -------------------------------------------------------------------------------------------------------


def selection(selector: Selector) -> dict[str, Any]:
    """What a delete removes."""
    if selector.name is None:
        return dict(EVERYTHING)
    if selector.spans is None:
        return {"name": selector.name}
    return {"name": selector.name, "$or": [_within(interval, span) for interval, span in selector.spans.items()]}


def counted(selector: Selector) -> dict[str, Any] | None:
    """What of it counts: one document of each visible cell. None if nothing can."""
    spans = []
    for interval, cutoff in selector.cutoffs.items():
        if selector.spans is None or interval in selector.spans:
            first, last = (None, None) if selector.spans is None else selector.spans[interval]
            starts = [start for start in (first, cutoff) if start is not None]
            spans.append(_within(interval, (max(starts, default=None), last)))
    return {"name": selector.name, "chunk": OPEN, "$or": spans} if spans else None


def _within(interval: str, span: Span) -> dict[str, Any]:
    limits = _range(*span)
    return {"interval": interval, **({"i_time": limits} if limits else {})}


def _range(first: int | None, last: int | None) -> dict[str, int]:
    """From one bucket to another, both included. SecantusDB (0.7) leaves out what is equal to the end of a ``$lte``."""
    return ({} if first is None else {"$gte": first}) | ({} if last is None else {"$lt": last + 1})
