"""kairos on Apache Cassandra, by cassandra-driver or scylla-driver."""

from kairos_cassandra._backend import CassandraBackend

__all__ = ["CassandraBackend"]
