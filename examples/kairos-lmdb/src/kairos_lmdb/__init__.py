"""kairos on LMDB: a file in the process, and no server."""

from kairos_lmdb._backend import LMDBBackend

__all__ = ["LMDBBackend"]
