"""``python -m kairos``: what a nightly job needs, and what is installed.

``python -m kairos expire URL --type T [--prefix P] [--table T] [--limit N]`` deletes what is past. It needs no interval
configuration: what is stored says when it expires.

``python -m kairos plugins`` lists the backends and the plugins with read hooks that are installed. It says what is
broken and why; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from kairos.backend import StoreConfig
from kairos.config import normal_prefix
from kairos.errors import KairosError, UnsupportedOperation
from kairos.flows import run
from kairos.installed import installed_backends, installed_plugins
from kairos.kinds import KINDS
from kairos.plans import Expiry
from kairos.registry import find_backend
from kairos.urls import redact

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m kairos", description="Look after stored time series.")
    commands = parser.add_subparsers(dest="command", required=True)
    expire = commands.add_parser("expire", help="delete what is past, where the server does not do it by itself")
    expire.add_argument("url", help="where the data is, for example sqlite:///data.db")
    expire.add_argument("--type", required=True, choices=sorted(KINDS))
    expire.add_argument("--prefix", default="", help="the prefix of the Timeseries (default: none)")
    expire.add_argument("--table", help="its table_name, if it has one of its own")
    expire.add_argument("--limit", type=_positive, default=10_000, help="cells per transaction (default: %(default)s)")
    commands.add_parser("plugins", help="list the backends and read hooks that are installed, and what is broken")
    given = parser.parse_args(arguments)
    if given.command == "plugins":
        return _plugins()
    try:
        removed = _expire(given.url, given.type, given.prefix, given.table, given.limit)
    except KairosError as error:
        sys.stderr.write(f"kairos: {redact(str(error))}\n")
        return 1
    sys.stdout.write(f"expired {removed} cells\n")
    return 0


def _plugins() -> int:
    sections = {"backends": installed_backends(), "plugins with read hooks": installed_plugins()}
    for title, found in sections.items():
        lines = [line for one in found for line in one.lines()]
        sys.stdout.write("\n".join([f"{title}:", *(lines or ["  none"])]) + "\n")
    return int(any(one.problem for found in sections.values() for one in found))


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"expected a positive number, not {text}")
    return number


def _expire(url: str, type: str, prefix: str, table: str | None, limit: int) -> int:
    kind = KINDS[type]
    backend_class, scheme = find_backend(url)
    config = StoreConfig(
        prefix=normal_prefix(prefix),
        type=type,
        shape=kind.shape,
        create=False,
        options={} if table is None else {"table_name": table},
    )
    backend = backend_class.open(url, config, asynchronous=False)
    try:
        if kind.shape in backend.capabilities.native_expiry:
            raise UnsupportedOperation(f"expire: the server of this {scheme} backend expires by itself")
        now, removed = int(time.time()), 0
        # In pieces, each its own transaction, so that writers are never locked out for long.
        while piece := run(backend.expire(Expiry(name=None, now=now, limit=limit))):
            removed += piece
        return removed
    finally:
        run(backend.close())


if __name__ == "__main__":
    sys.exit(main())
