"""Backends that give what they should not, one per kind of mistake: each must fail the suite."""

import time
from itertools import count

import pytest
from attrs import evolve

from kairos.backend import Shape
from kairos.errors import BackendError
from kairos.memory import MemoryBackend

pytest_plugins = ["pytester"]


class Misreading(MemoryBackend):
    """Gives other data than it holds."""

    def data(self, name, bucket, resolution, data):
        """The data of a cell, None if it is lost."""
        return data

    def read(self, query):
        return {
            name: {
                bucket: {
                    resolution: found
                    for resolution, data in cells.items()
                    if (found := self.data(name, bucket, resolution, data)) is not None
                }
                for bucket, cells in buckets.items()
            }
            for name, buckets in super().read(query).items()
        }


class KeepsAThousandValuesAtMost(Misreading):
    caught_by = "test_a_large_cell"

    def data(self, name, bucket, resolution, data):
        return data[:1000] if isinstance(data, list) else data


class AddsThroughAFloat(Misreading):
    caught_by = "test_ints_add_up_exactly"

    def data(self, name, bucket, resolution, data):
        return float(data) if self._shape is Shape.COUNTER else data


class LosesTheOrder(Misreading):
    caught_by = "test_bulk_insert_takes_points_in_their_order"

    def data(self, name, bucket, resolution, data):
        return sorted(data) if isinstance(data, list) else data


class StepsRangesBySevenDays(Misreading):
    caught_by = "test_the_days_around_each_new_year_round_trip"

    def data(self, name, bucket, resolution, data):
        return None if 190_000 < bucket < 220_000 and bucket % 100 in {0, 53} else data


class TakesBucketZeroForNone(MemoryBackend):
    caught_by = "test_bucket_zero_and_timestamp_zero_are_ordinary"

    def read(self, query):
        return super().read(query) if query.first or query.last else {}


class SortsBucketsAsText(MemoryBackend):
    caught_by = "test_buckets_are_numbers"

    def bounds(self, names, cutoffs, options=None):
        return {
            name: {
                interval: (min(buckets, key=str), max(buckets, key=str))
                for interval, buckets in self._store.spaces[self._key][name].items()
            }
            for name in super().bounds(names, cutoffs)
        }


class ExcludesTheEndOfARange(MemoryBackend):
    caught_by = "test_only_what_was_asked_for_is_read"

    def read(self, query):
        return super().read(query if query.single else evolve(query, last=query.last - 1))


class IgnoresTheIntervalOfAResolutionBucket(Misreading):
    caught_by = "test_a_fine_bucket_that_straddles_two_intervals"

    def data(self, name, bucket, resolution, data):
        if resolution is None or self._shape is not Shape.COUNTER:
            return data
        held = self._store.spaces[self._key][name].values()
        return sum(cells[resolution].data for buckets in held for cells in buckets.values() if resolution in cells)


class ListsWhatIsPast(MemoryBackend):
    caught_by = "test_data_vanishes_when_its_time_comes"

    def names(self, cutoffs, options=None):
        return super().names(dict.fromkeys(cutoffs), options)


class BoundsWhatIsPast(MemoryBackend):
    caught_by = "test_the_newest_steps_are_visible"

    def bounds(self, names, cutoffs, options=None):
        return super().bounds(names, dict.fromkeys(cutoffs), options)


class ForgetsForTheReader(MemoryBackend):
    """Keeps what the writer's configuration says, however long the reader's is."""

    caught_by = "test_the_configuration_of_the_reader_decides"

    def read(self, query):
        return super().read(
            evolve(query, first=max(query.first, query.last - 1)) if query.interval.steps == 4 else query
        )


class ListsNamesTwice(MemoryBackend):
    caught_by = "test_list_is_sorted"

    def names(self, cutoffs, options=None):
        return [name for interval in cutoffs for name in super(ListsNamesTwice, self).names({interval: None})]


class TakesZeroForNoData(Misreading):
    caught_by = "test_nothing_falsy_is_taken_for_nothing"

    def data(self, name, bucket, resolution, data):
        return data or None


class StoresEmptyTextAsASpace(Misreading):
    caught_by = "test_each_type_gives_back_what_it_got"

    def data(self, name, bucket, resolution, data):
        return [value or " " if isinstance(value, str) else value for value in data] if isinstance(data, list) else data


class GivesKeysAsText(Misreading):
    caught_by = "test_one_key_for_equal_numbers"

    def data(self, name, bucket, resolution, data):
        return {str(key): n for key, n in data.items()} if isinstance(data, dict) else data


class SharesWhatItHolds(MemoryBackend):
    caught_by = "test_what_was_read_belongs_to_the_reader"

    def _data(self, stored):
        return stored


class ReadsInAnyOrder(MemoryBackend):
    caught_by = "test_a_fetch_hook_goes_around_the_read"

    def read(self, query):
        return {name: dict(reversed(buckets.items())) for name, buckets in super().read(query).items()}


class MixesUpNamesThatAreReadTogether(MemoryBackend):
    caught_by = "test_names_that_are_read_together_are_kept_apart"

    def read(self, query):
        rows = super().read(query)
        return dict(zip(rows, reversed(rows.values()), strict=True))


class GivesEmptyCells(MemoryBackend):
    caught_by = "test_no_data_reaches_no_callable"

    def read(self, query):
        rows = super().read(query)
        if query.interval.resolution is None and self._shape is Shape.LIST:
            for buckets in rows.values():
                for bucket in query.buckets:
                    buckets.setdefault(bucket, {None: []})
        return rows


class WrapsTheErrorsOfUsers(MemoryBackend):
    caught_by = "test_what_a_users_callable_raises_passes_through"

    def adapt(self, fetch):
        read = super().adapt(fetch)

        def wrapped(query):
            try:
                return read(query)
            except Exception as error:
                raise BackendError("the store failed") from error

        return wrapped


class RemembersOldBounds(MemoryBackend):
    """Keeps bounds that only ever grow, until the name is gone."""

    caught_by = "test_a_narrowed_delete_or_its_refusal"

    def bounds(self, names, cutoffs, options=None):
        found = super().bounds(names, cutoffs, options)
        kept = self.__dict__.setdefault("kept", {})
        for name, intervals in found.items():
            for interval, (first, last) in intervals.items():
                low, high = kept.get((name, interval), (first, last))
                intervals[interval] = kept[name, interval] = (min(first, low), max(last, high))
        return found


class AddsAggregatesThroughAFloat(MemoryBackend):
    caught_by = "test_a_transform_is_the_same_without_the_data"

    def read(self, query):
        return _recomputed(super().read(query), query, "sum", float)


class AggregatesNumbersAsText(MemoryBackend):
    caught_by = "test_declared_aggregates_are_tuples_in_order"

    def read(self, query):
        return _recomputed(super().read(query), query, "max", str)


class ForgetsTheWeightsOfAHistogram(MemoryBackend):
    caught_by = "test_declared_aggregates_are_tuples_in_order"

    def read(self, query):
        stored = self._store.spaces.get(self._key, {})

        def distinct(name, bucket, resolution):
            return len(stored[name][query.interval.name][bucket][resolution].data)

        return {
            name: {
                bucket: {
                    resolution: tuple(
                        distinct(name, bucket, resolution) if one == "count" else value
                        for one, value in zip(query.aggregates, data, strict=True)
                    )
                    if query.aggregates
                    else data
                    for resolution, data in cells.items()
                }
                for bucket, cells in buckets.items()
            }
            for name, buckets in super().read(query).items()
        }


def _recomputed(rows, query, wanted, change):
    """Change one of the aggregates of every cell."""
    if wanted not in query.aggregates:
        return rows
    at = query.aggregates.index(wanted)
    return {
        name: {
            bucket: {resolution: (*data[:at], change(data[at]), *data[at + 1 :]) for resolution, data in cells.items()}
            for bucket, cells in buckets.items()
        }
        for name, buckets in rows.items()
    }


class BlocksTheEventLoop(MemoryBackend):
    """Not at each call: the test lists the names five times before it looks."""

    caught_by = "test_the_event_loop_is_never_blocked"
    among = "async"
    calls = count(1)

    def names(self, cutoffs, options=None):
        if next(self.calls) % 5 == 0:
            time.sleep(0.4)
        return super().names(cutoffs, options)


class NeverGivesWay(MemoryBackend):
    caught_by = "test_every_verb_gives_way_to_the_loop"
    among = "async"
    capabilities = evolve(MemoryBackend.capabilities, multi_process=True)


class MistakesThatOnlyChanceFinds(MemoryBackend):
    """Reads the first of some names in place of the last, if two of these are among them: no standard test does that.
    (Random sequences do: 400 of 400, as measured. The sequences are not the same in every run, since hypothesis also
    draws constants of whatever modules are loaded, and what is visible depends on the time.)
    """

    caught_by = "test_random_verbs_agree_with_memory"
    among = "blocking-count"

    def read(self, query):
        rows = super().read(query)
        if len({"a", "A", "a ", "\u00e9"} & set(query.names)) > 1:
            rows[query.names[-1]] = rows[query.names[0]]
        return rows


BROKEN = [made for made in list(globals().values()) if hasattr(made, "caught_by")]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_it_is_caught(catch, broken):
    catch(broken)
