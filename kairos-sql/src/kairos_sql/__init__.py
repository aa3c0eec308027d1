"""kairos on SQL databases, by SQLAlchemy."""

from kairos_sql._backend import SQLBackend
from kairos_sql._schema import metadata

__all__ = ["SQLBackend", "metadata"]
