"""kairos on MongoDB, by PyMongo."""

from kairos_mongo._backend import MongoBackend

__all__ = ["MongoBackend"]
