"""The old kairos (0.x, Python 2) has the same import name; installed beside us, its files and ours get mixed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["refuse_old_kairos"]

# Modules that only the old distribution has.
_OLD_MODULES = ("redis_backend.py", "mongo_backend.py", "sql_backend.py", "cassandra_backend.py")


def refuse_old_kairos(folder: Path = Path(__file__).parent) -> None:
    """Raise an ImportError if the files of the old distribution lie in the folder of this package."""
    found = [name for name in _OLD_MODULES if (folder / name).exists()]
    if found:
        raise ImportError(
            f"the old distribution 'kairos' (0.x) is installed in the same place as kairos-core ({', '.join(found)}); "
            "uninstall both and install kairos-core again: "
            "pip uninstall kairos kairos-core && pip install kairos-core"
        )
