"""``python -m kairos_conformance.servers NAME [KEY=JSON ...]``: start a server, print its URL, and keep it.

It ends with its input, or by Ctrl-C: ``python -m kairos_conformance.servers cassandra authentication=true``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from kairos_conformance import servers

_STARTERS = {
    start.__name__: start
    for start in (
        servers.cassandra,
        servers.cassandra_ring,
        servers.mariadb,
        servers.postgresql,
        servers.redis_cluster,
        servers.redis_sentinel,
        servers.redis_server,
        servers.secantus,
        servers.valkey,
    )
}


def main() -> None:
    """Start the server that the command line names, with keywords of its function in `kairos_conformance.servers`."""
    name, *settings = sys.argv[1:] or [""]
    if name not in _STARTERS:
        sys.exit(f"expected one of {', '.join(_STARTERS)}, and KEY=JSON for its keywords")
    start: Any = _STARTERS[name]
    keywords = {key: json.loads(value) for key, _, value in (setting.partition("=") for setting in settings)}
    try:
        with start(**keywords) as server, contextlib.suppress(KeyboardInterrupt):
            print(server.url, flush=True)  # noqa: T201 - that is what it is for
            sys.stdin.read()
    except servers.Missing as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
