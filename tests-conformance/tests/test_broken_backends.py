"""The suite is itself tested: backends that are broken on purpose, one per kind of mistake, must each fail it."""

import time
import unicodedata
from collections.abc import Callable
from fnmatch import fnmatchcase

import pytest
from attrs import evolve

from kairos.backend import Shape
from kairos.errors import BackendError, CountOverflow
from kairos.memory import MemoryBackend
from kairos.registry import register
from kairos_conformance import BackendSuite

pytest_plugins = ["pytester"]

BROKEN: dict[str, tuple[type[MemoryBackend], str, str]] = {}


def caught_by(test: str, select: str = "") -> Callable[[type[MemoryBackend]], type[MemoryBackend]]:
    """Note which standard test must fail on a broken backend; ``select`` narrows it to what is quick to find."""

    def note(broken: type[MemoryBackend]) -> type[MemoryBackend]:
        BROKEN[broken.__name__] = (broken, test, f"{test} and {select or 'blocking'}")
        return broken

    return note


class Rewriting(MemoryBackend):
    """Writes other cells than it is given."""

    def cell(self, cell):
        return cell

    def write(self, batch):
        super().write(evolve(batch, cells=[self.cell(cell) for cell in batch.cells]))


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


# --- Writing ----------------------------------------------------------------------------------------------------------


@caught_by("test_a_large_batch")
class LosesTheEndOfALargeBatch(MemoryBackend):
    def write(self, batch):
        super().write(evolve(batch, cells=batch.cells[:1000]))


@caught_by("test_each_kind_keeps_what_it_means")
class LosesAValue(Rewriting):
    def cell(self, cell):
        return (
            cell._replace(payload=[value for value in cell.payload if value != 2])
            if self._shape is Shape.LIST
            else cell
        )


@caught_by("test_a_large_cell")
class KeepsAThousandValuesAtMost(Misreading):
    def data(self, name, bucket, resolution, data):
        return data[:1000] if isinstance(data, list) else data


@caught_by("test_ints_add_up_exactly")
class CountsTwiceWhereItUpdates(MemoryBackend):
    def write(self, batch):
        for cell in batch.cells:
            if self._shape is Shape.COUNTER and cell.name in self.names({cell.interval: None}):
                super().write(evolve(batch, cells=[cell._replace(payload=cell.payload)] * 2))
            else:
                super().write(evolve(batch, cells=[cell]))


@caught_by("test_ints_add_up_exactly")
class AddsThroughAFloat(Misreading):
    def data(self, name, bucket, resolution, data):
        return float(data) if self._shape is Shape.COUNTER else data


@caught_by("test_a_sum_past_64_bits_is_an_error")
class SwallowsErrors(MemoryBackend):
    def write(self, batch):
        try:
            super().write(batch)
        except CountOverflow:
            pass


@caught_by("test_a_failed_batch_leaves_no_part_behind")
class WritesBatchesInPieces(MemoryBackend):
    def write(self, batch):
        for cell in batch.cells:
            super().write(evolve(batch, cells=[cell]))


@caught_by("test_a_gauge_keeps_what_arrived_last")
class KeepsTheLargestValue(Rewriting):
    def cell(self, cell):
        if self._shape is not Shape.REGISTER:
            return cell
        held = self._store.spaces.get(self._key, {}).get(cell.name, {}).get(cell.interval, {}).get(cell.bucket, {})
        slot = held.get(cell.resolution)
        return cell if slot is None else cell._replace(payload=max(slot.data, cell.payload))


@caught_by("test_bulk_insert_takes_points_in_their_order")
class LosesTheOrder(Misreading):
    def data(self, name, bucket, resolution, data):
        return sorted(data) if isinstance(data, list) else data


@caught_by("test_one_timeseries_serves_many_at_once")
class ReadsModifiesAndWrites(MemoryBackend):
    def write(self, batch):
        for cell in batch.cells:
            space = self._store.spaces.setdefault(self._key, {})
            row = space.setdefault(cell.name, {}).setdefault(cell.interval, {}).setdefault(cell.bucket, {})
            before = row.pop(cell.resolution, None)
            time.sleep(0.001)
            if before is not None and self._shape is Shape.COUNTER:
                cell = cell._replace(payload=before.data + cell.payload)
            super().write(evolve(batch, cells=[cell]))


# --- Time -------------------------------------------------------------------------------------------------------------


@caught_by("test_the_days_around_each_new_year_round_trip")
class TakesWeek00ForWeek53(Rewriting):
    def cell(self, cell):
        week_00 = 190_000 < cell.bucket < 220_000 and cell.bucket % 100 == 0
        return cell._replace(bucket=cell.bucket - 100 + 53) if week_00 else cell


@caught_by("test_the_days_around_each_new_year_round_trip")
class StepsRangesBySevenDays(Misreading):
    def data(self, name, bucket, resolution, data):
        return None if 190_000 < bucket < 220_000 and bucket % 100 in {0, 53} else data


@caught_by("test_time_floors_below_zero_too")
class TruncatesBelowZero(Rewriting):
    def cell(self, cell):
        return cell._replace(bucket=cell.bucket + 1) if cell.bucket < 0 else cell


@caught_by("test_bucket_zero_and_timestamp_zero_are_ordinary")
class TakesBucketZeroForNone(MemoryBackend):
    def read(self, query):
        return super().read(query) if query.first or query.last else {}


@caught_by("test_only_what_was_asked_for_is_read")
class ExcludesTheEndOfARange(MemoryBackend):
    def read(self, query):
        return super().read(query if query.single else evolve(query, last=query.last - 1))


@caught_by("test_a_fine_bucket_that_straddles_two_intervals")
class IgnoresTheIntervalOfAResolutionBucket(Misreading):
    def data(self, name, bucket, resolution, data):
        if resolution is None or self._shape is not Shape.COUNTER:
            return data
        held = self._store.spaces[self._key][name].values()
        return sum(cells[resolution].data for buckets in held for cells in buckets.values() if resolution in cells)


@caught_by("test_a_fine_interval_keeps_each_resolution_bucket")
class IgnoresTheResolution(Rewriting):
    def cell(self, cell):
        return cell if cell.resolution is None else cell._replace(resolution=cell.resolution // 60 * 60)


# --- Retention --------------------------------------------------------------------------------------------------------


@caught_by("test_data_vanishes_when_its_time_comes")
class ListsWhatIsPast(MemoryBackend):
    def names(self, cutoffs, options=None):
        return super().names(dict.fromkeys(cutoffs), options)


@caught_by("test_the_newest_steps_are_visible")
class BoundsWhatIsPast(MemoryBackend):
    def bounds(self, names, cutoffs, options=None):
        return super().bounds(names, dict.fromkeys(cutoffs), options)


@caught_by("test_delete_counts_what_was_visible")
class CountsWhatIsPast(MemoryBackend):
    def delete(self, selector):
        return super().delete(evolve(selector, cutoffs=dict.fromkeys(selector.cutoffs)))


@caught_by("test_the_configuration_of_the_reader_decides")
class ForgetsForTheReader(MemoryBackend):
    """Keeps what the writer's configuration says, however long the reader's is."""

    def read(self, query):
        return super().read(
            evolve(query, first=max(query.first, query.last - 1)) if query.interval.steps == 4 else query
        )


@caught_by("test_a_late_insert_changes_no_life")
class ProlongsALifeByWriting(Rewriting):
    def cell(self, cell):
        known = cell.name in self.names({cell.interval: None})
        return cell._replace(expires_at=cell.expires_at + 99_999) if known and cell.expires_at else cell


@caught_by("test_expire_or_its_refusal")
class ExpiresTooMuch(MemoryBackend):
    def expire(self, expiry):
        return super().expire(evolve(expiry, cutoffs={name: cut and cut + 1 for name, cut in expiry.cutoffs.items()}))


@caught_by("test_expire_knows_what_it_was_not_told")
class ExpiresOnlyWhatIsConfigured(MemoryBackend):
    def expire(self, expiry):
        return super().expire(evolve(expiry, now=0))


# --- Names and namespaces ---------------------------------------------------------------------------------------------


class Renaming(Rewriting):
    """Stores under another name than it is told."""

    def name(self, name):
        return name

    def cell(self, cell):
        return cell._replace(name=self.name(cell.name))

    def read(self, query):
        rows = super().read(evolve(query, names=tuple(self.name(name) for name in query.names)))
        return {name: rows[self.name(name)] for name in query.names}


@caught_by("test_names_are_stored_as_they_are")
class IgnoresCase(Renaming):
    def name(self, name):
        return name.casefold()


@caught_by("test_names_are_stored_as_they_are")
class StripsNames(Renaming):
    def name(self, name):
        return name.rstrip(" ") or name


@caught_by("test_names_are_stored_as_they_are")
class NormalisesNames(Renaming):
    def name(self, name):
        return unicodedata.normalize("NFC", name)


@caught_by("test_the_longest_name")
class CutsNames(Renaming):
    def name(self, name):
        return name[:4000]


@caught_by("test_names_are_stored_as_they_are")
class TakesNamesForPatterns(MemoryBackend):
    def delete(self, selector):
        if selector.name is None:
            return super().delete(selector)
        names = [name for name in self._store.spaces.get(self._key, {}) if fnmatchcase(name, selector.name)]
        return sum(MemoryBackend.delete(self, evolve(selector, name=name)) for name in {*names, selector.name})


@caught_by("test_prefixes_are_kept_apart")
class LeaksAnotherPrefix(MemoryBackend):
    def __init__(self, store, config):
        super().__init__(store, config)
        self._key = (config.prefix.partition(":")[0].lower(), config.type)


@caught_by("test_types_are_kept_apart")
class LeaksAnotherType(MemoryBackend):
    def __init__(self, store, config):
        super().__init__(store, config)
        self._key = (config.prefix, "gauge" if config.type == "series" else config.type)


@caught_by("test_prefixes_are_kept_apart")
class DeletesForeignNamespaces(MemoryBackend):
    def delete(self, selector):
        if selector.name is None:
            for key in [key for key in self._store.spaces if key[0].startswith(self._key[0])]:
                del self._store.spaces[key]
        return super().delete(selector)


@caught_by("test_list_is_sorted")
class ListsNamesTwice(MemoryBackend):
    def names(self, cutoffs, options=None):
        return [name for interval in cutoffs for name in super(ListsNamesTwice, self).names({interval: None})]


# --- Values and reading -----------------------------------------------------------------------------------------------


@caught_by("test_nothing_falsy_is_taken_for_nothing")
class TakesZeroForNoData(Misreading):
    def data(self, name, bucket, resolution, data):
        return data or None


@caught_by("test_each_type_gives_back_what_it_got")
class StoresEmptyTextAsASpace(Misreading):
    def data(self, name, bucket, resolution, data):
        return [value or " " if isinstance(value, str) else value for value in data] if isinstance(data, list) else data


@caught_by("test_one_key_for_equal_numbers")
class GivesKeysAsText(Misreading):
    def data(self, name, bucket, resolution, data):
        return {str(key): n for key, n in data.items()} if isinstance(data, dict) else data


@caught_by("test_what_was_read_belongs_to_the_reader")
class SharesWhatItHolds(MemoryBackend):
    def _data(self, stored):
        return stored


@caught_by("test_a_fetch_hook_goes_around_the_read")
class ReadsInAnyOrder(MemoryBackend):
    def read(self, query):
        return {name: dict(reversed(buckets.items())) for name, buckets in super().read(query).items()}


@caught_by("test_names_that_are_read_together_are_kept_apart")
class MixesUpNamesThatAreReadTogether(MemoryBackend):
    def read(self, query):
        rows = super().read(query)
        return dict(zip(rows, reversed(rows.values()), strict=True))


@caught_by("test_no_data_reaches_no_callable")
class GivesEmptyCells(MemoryBackend):
    def read(self, query):
        rows = super().read(query)
        if query.interval.resolution is None and self._shape is Shape.LIST:
            for buckets in rows.values():
                for bucket in query.buckets:
                    buckets.setdefault(bucket, {None: []})
        return rows


@caught_by("test_what_a_users_callable_raises_passes_through")
class WrapsTheErrorsOfUsers(MemoryBackend):
    def adapt(self, fetch):
        read = super().adapt(fetch)

        def wrapped(query):
            try:
                return read(query)
            except Exception as error:
                raise BackendError("the store failed") from error

        return wrapped


# --- Deleting ---------------------------------------------------------------------------------------------------------


@caught_by("test_delete_removes_a_name")
class CountsBucketsInsteadOfCells(MemoryBackend):
    def delete(self, selector):
        held = self._store.spaces.get(self._key, {}).get(selector.name, {})
        buckets = sum(map(len, held.values()))
        return min(super().delete(selector), buckets)


@caught_by("test_delete_counts_configured_intervals_and_removes_all")
class LeavesUnconfiguredIntervals(MemoryBackend):
    def delete(self, selector):
        if selector.name is not None and selector.spans is None:
            selector = evolve(selector, spans=dict.fromkeys(selector.cutoffs, (None, None)))
        return super().delete(selector)


@caught_by("test_a_narrowed_delete_or_its_refusal")
class DeletesMoreThanWasAsked(MemoryBackend):
    def delete(self, selector):
        return super().delete(evolve(selector, spans=None))


@caught_by("test_a_narrowed_delete_or_its_refusal")
class RemembersOldBounds(MemoryBackend):
    """Keeps bounds that only ever grow, until the name is gone."""

    def bounds(self, names, cutoffs, options=None):
        found = super().bounds(names, cutoffs, options)
        kept = self.__dict__.setdefault("kept", {})
        for name, intervals in found.items():
            for interval, (first, last) in intervals.items():
                low, high = kept.get((name, interval), (first, last))
                intervals[interval] = kept[name, interval] = (min(first, low), max(last, high))
        return found


@caught_by("test_after_a_delete_things_count_from_nothing")
class RemembersDeletedCounters(MemoryBackend):
    """As Cassandra's counters do by themselves."""

    def delete(self, selector):
        removed = super().delete(selector)
        if selector.name is not None:
            self.__dict__.setdefault("buried", []).append(selector.name)
        return removed

    def write(self, batch):
        buried = self.__dict__.get("buried", [])
        grown = [cell._replace(payload=cell.payload + 1) if cell.name in buried else cell for cell in batch.cells]
        super().write(evolve(batch, cells=grown) if self._shape is Shape.COUNTER else batch)


# --- Asyncio ----------------------------------------------------------------------------------------------------------


@caught_by("test_the_event_loop_is_never_blocked", "async")
class BlocksTheEventLoop(MemoryBackend):
    def names(self, cutoffs, options=None):
        time.sleep(0.4)
        return super().names(cutoffs, options)


@caught_by("test_random_verbs_agree_with_memory", "blocking-count")
class MistakesThatOnlyChanceFinds(MemoryBackend):
    """Loses a name that is read together with these two others: no standard test does that."""

    def read(self, query):
        rows = super().read(query)
        if {"a", "A"} < set(query.names):
            rows[query.names[-1]] = {}
        return rows


SUITE = """
from {module} import {part}
from kairos_conformance import UrlHarness


class TestBroken({part}):
    harness = UrlHarness("broken://{name}")
"""


def run_suite(pytester, backend, name, part, *arguments):
    """Run the suite, or the part of it that is a base class of it, in this process on a backend class."""
    pytester.makepyfile(test_it=SUITE.format(module=part.__module__, part=part.__name__, name=name))
    with register(backend, schemes=["broken"]):
        return pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_backend_is_caught(pytester, name):
    backend, test, selected = BROKEN[name]
    part = next(part for part in BackendSuite.__mro__ if test in vars(part))
    result = run_suite(pytester, backend, name, part, "-k", selected)
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) > 0, result.stdout.str()
    result.stdout.fnmatch_lines([f"*{test}*", "*The contract of kairos*", "*semantics*", "Look at:*"])


def test_there_are_enough_of_them():
    assert len(BROKEN) >= 12


def test_the_same_tests_pass_on_a_whole_backend(pytester):
    tests = sorted({test for _, test, _ in BROKEN.values()})
    result = run_suite(pytester, MemoryBackend, "whole", BackendSuite, "-k", " or ".join(tests), "-m", "not full")
    outcomes = result.parseoutcomes()
    assert outcomes.keys() <= {"passed", "skipped", "deselected"}, result.stdout.str()
    assert outcomes["passed"] > 300
