"""kairos on Redis and Valkey."""

from kairos_redis._backend import BulkInsertOptions, RedisBackend

__all__ = ["BulkInsertOptions", "RedisBackend"]
