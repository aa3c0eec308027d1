"""The backend: each verb of the contract is a walk over keys that lie side by side.

A custom fetch is called as ``fetch(cells, name, interval, i_start, i_end)``, once per name: ``cells`` iterates over
``(bucket, resolution bucket or None, data)``, in order and straight from the file; ``i_end`` is None for ``get``. It
returns ``{bucket: {resolution bucket or None: data}}``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.request import url2pathname

from attrs import frozen

from kairos import BackendError, ConfigurationError
from kairos.backend import Backend, Capabilities, StoreConfig
from kairos.config import structure
from kairos.plans import Batch, Bounds, Cutoffs, Expiry, Query, Rows, Selector
from kairos.values import INT64_MAX
from kairos_lmdb._encoding import ADD, MAX_NAME_BYTES, MAX_PREFIX_BYTES, READ, Key, Space
from kairos_lmdb._file import File, Options

__all__ = ["LMDBBackend"]

_URL = re.compile(r"lmdb:(//(?=/)|(?!//))(?P<path>[^?#]+)", re.IGNORECASE)


@frozen
class _NoOptions:
    """This backend has no keywords of its own."""


class LMDBBackend(Backend):
    """A backend on an LMDB file: ``lmdb:///folder/file`` or, in the working directory, ``lmdb:file``."""

    blocking = True
    capabilities = Capabilities(atomic_batch=True, max_name_bytes=MAX_NAME_BYTES)

    def __init__(self, path: Path, config: StoreConfig) -> None:
        if len(config.prefix.encode()) > MAX_PREFIX_BYTES:
            raise ConfigurationError(f"prefix: longer than {MAX_PREFIX_BYTES} bytes in UTF-8")
        structure(_NoOptions, config.options)
        self.value_type = self.resolve_value_type(config.value_type)
        self._create = config.create
        self._add, self._read = ADD[config.shape], READ[config.shape]
        self._space = Space(config.prefix, config.type)
        self._file = File.shared(path, structure(Options, config.client_config, "client_config"), self)

    @classmethod
    def open(cls, target: Any, config: StoreConfig, *, asynchronous: bool) -> Self:  # noqa: ARG003 - serves both
        url = _URL.fullmatch(target) if isinstance(target, str) else None
        if url is None:
            raise ConfigurationError("client: expected a URL lmdb:///folder/file or lmdb:file, and nothing else in it")
        return cls(Path(url2pathname(url["path"])).resolve(), config)

    @property
    def owns_client(self) -> bool:
        return True

    def prepare(self, *, writing: bool) -> bool:
        there = self._file.transaction(lambda _: True, create=writing and self._create)
        if not (there or self._create):
            raise BackendError(f"{self._file.path} has no database kairos, and create=False makes none")
        return bool(there)

    def write(self, batch: Batch) -> None:
        def work(transaction: Any) -> None:
            for name, interval, bucket, resolution, payload, expires_at in batch.cells:
                key = self._space.key(name, interval, bucket, resolution)
                life = (INT64_MAX if expires_at is None else expires_at).to_bytes(8, "big", signed=True)
                transaction.put(key, life + self._add(transaction.get(key, b"")[8:], payload))

        self._file.transaction(work, write=True)

    def read(self, query: Query) -> Rows:
        def gather(cells: Iterator[tuple[int, int | None, Any]], *_: Any) -> dict[int, dict[int | None, Any]]:
            found: dict[int, dict[int | None, Any]] = {}
            for bucket, resolution, data in cells:
                found.setdefault(bucket, {})[resolution] = data
            return found

        return self.adapt(gather)(query)

    def adapt(self, fetch: Callable[..., Any]) -> Callable[[Query], Rows]:
        def read(query: Query) -> Rows:
            interval, end = query.interval, None if query.single else query.last

            def cells(cursor: Any, name: str) -> Iterator[tuple[int, int | None, Any]]:
                span = self._space.span(name, interval.name, query.first, query.last)
                for key in self._walk(cursor, span):
                    if (key.resolution is None) is (interval.resolution is None):
                        yield key.bucket, key.resolution, self._read(cursor.value()[8:])

            def work(transaction: Any) -> Rows:
                cursor = transaction.cursor()
                return {name: fetch(cells(cursor, name), name, interval.name, query.first, end) for name in query.names}

            return self._file.transaction(work) or {}

        return read

    def names(self, cutoffs: Cutoffs, options: Any = None) -> Sequence[str]:  # noqa: ARG002 - none of its own
        def work(transaction: Any) -> list[str]:
            found, cursor = [], transaction.cursor()
            for name, *_ in self._walk(cursor, self._space.span()):
                spans = (self._space.span(name, interval, cutoff) for interval, cutoff in cutoffs.items())
                if any(next(self._walk(cursor, span), None) for span in spans):
                    found.append(name)
                cursor.set_range(self._space.span(name)[1])  # where the next name begins
            return found

        return self._file.transaction(work) or []

    def bounds(self, names: Sequence[str], cutoffs: Cutoffs, options: Any = None) -> Bounds:  # noqa: ARG002
        def work(transaction: Any) -> Bounds:
            found: Bounds = {}
            cursor = transaction.cursor()
            for name in names:
                for interval, cutoff in cutoffs.items():
                    span = self._space.span(name, interval, cutoff)
                    if first := next(self._walk(cursor, span), None):
                        cursor.prev() if cursor.set_range(span[1]) else cursor.last()
                        found.setdefault(name, {})[interval] = (first.bucket, self._space.parse(cursor.key()).bucket)
            return found

        return self._file.transaction(work) or {}

    def delete(self, selector: Selector) -> int:
        name, cutoffs = selector.name, selector.cutoffs
        spans = [self._space.span(name)]
        if selector.spans is not None:
            spans = [self._space.span(name, interval, *ends) for interval, ends in selector.spans.items()]

        def work(transaction: Any) -> int:
            visible, cursor = 0, transaction.cursor()
            for span in spans:
                for key in self._walk(cursor, span):
                    visible += key.interval in cutoffs and not _before(key.bucket, cutoffs[key.interval])
                    cursor.delete()
            return visible

        return self._file.transaction(work, write=True) or 0

    def expire(self, expiry: Expiry) -> int:
        def work(transaction: Any) -> int:
            removed, cursor = 0, transaction.cursor()
            for key in self._walk(cursor, self._space.span(expiry.name)):
                if removed == expiry.limit:
                    break
                known = key.interval in expiry.cutoffs
                if known and not _before(key.bucket, expiry.cutoffs[key.interval]):
                    cursor.set_range(self._space.span(key.name, key.interval)[1])  # what follows is visible too
                elif known or int.from_bytes(cursor.value()[:8], "big", signed=True) <= expiry.now:
                    cursor.delete()
                    removed += 1
            return removed

        return self._file.transaction(work, write=True) or 0

    def close(self) -> None:
        self._file.leave(self)

    def after_fork(self) -> None:
        self._file.close()

    def _walk(self, cursor: Any, span: tuple[bytes, bytes]) -> Iterator[Key]:
        """The keys of a span. Whoever asks for them may delete where the cursor is, or move it on."""
        cursor.set_range(span[0])
        while (key := cursor.key()) and key < span[1]:
            yield self._space.parse(key)
            if cursor.key() == key:
                cursor.next()


def _before(bucket: int, cutoff: int | None) -> bool:
    return cutoff is not None and bucket < cutoff
