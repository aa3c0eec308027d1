"""Read plugins for kairos: more named transforms, counts made by the store, timings, and a cache of closed buckets."""

from kairos_stats._cache import ClosedBuckets
from kairos_stats._counts import StoreCounts
from kairos_stats._timings import Timings
from kairos_stats._transforms import Statistics

__all__ = ["ClosedBuckets", "Statistics", "StoreCounts", "Timings"]
