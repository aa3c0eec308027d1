"""Backends that store or delete what they should not, one per kind of mistake: each must fail the suite."""

import asyncio
import time
import unicodedata
from contextlib import suppress
from fnmatch import fnmatchcase

import pytest
from attrs import evolve

from kairos.backend import Shape
from kairos.errors import CountOverflow
from kairos.memory import MemoryBackend

pytest_plugins = ["pytester"]


class Rewriting(MemoryBackend):
    """Writes other cells than it is given."""

    def cell(self, cell):
        return cell

    def write(self, batch):
        super().write(evolve(batch, cells=[self.cell(cell) for cell in batch.cells]))


class LosesTheEndOfALargeBatch(MemoryBackend):
    caught_by = "test_a_large_batch"

    def write(self, batch):
        super().write(evolve(batch, cells=batch.cells[:1000]))


class LosesAValue(Rewriting):
    caught_by = "test_each_kind_keeps_what_it_means"

    def cell(self, cell):
        return (
            cell._replace(payload=[value for value in cell.payload if value != 2])
            if self._shape is Shape.LIST
            else cell
        )


class CountsTwiceWhereItUpdates(MemoryBackend):
    caught_by = "test_ints_add_up_exactly"

    def write(self, batch):
        for cell in batch.cells:
            if self._shape is Shape.COUNTER and cell.name in self.names({cell.interval: None}):
                super().write(evolve(batch, cells=[cell._replace(payload=cell.payload)] * 2))
            else:
                super().write(evolve(batch, cells=[cell]))


class TakesAnotherKeyForTheSame(Rewriting):
    caught_by = "test_each_type_gives_back_what_it_got"

    def cell(self, cell):
        held = self._store.spaces.get(self._key, {}).get(cell.name, {}).get(cell.interval, {}).get(cell.bucket, {})
        known = next((key for slot in held.values() for key in slot.data if type(key) is bytes), None)
        if self._shape is not Shape.COUNTERS or known is None:
            return cell
        return cell._replace(payload={known: sum(cell.payload.values())})


class SwallowsErrors(MemoryBackend):
    caught_by = "test_a_sum_past_64_bits_is_an_error"

    def write(self, batch):
        with suppress(CountOverflow):
            super().write(batch)


class WritesBatchesInPieces(MemoryBackend):
    caught_by = "test_a_failed_batch_leaves_no_part_behind"

    def write(self, batch):
        for cell in batch.cells:
            super().write(evolve(batch, cells=[cell]))


class LeavesHalfOfACancelledBatch(MemoryBackend):
    caught_by = "test_a_cancelled_write_is_done_or_not_done"
    among = "async"

    def write(self, batch):
        for cell in batch.cells:
            super().write(evolve(batch, cells=[cell]))
            yield asyncio.sleep(0.0002)


class KeepsTheLargestValue(Rewriting):
    caught_by = "test_a_gauge_keeps_what_arrived_last"

    def cell(self, cell):
        if self._shape is not Shape.REGISTER:
            return cell
        held = self._store.spaces.get(self._key, {}).get(cell.name, {}).get(cell.interval, {}).get(cell.bucket, {})
        slot = held.get(cell.resolution)
        return cell if slot is None else cell._replace(payload=max(slot.data, cell.payload))


class ReadsModifiesAndWrites(MemoryBackend):
    caught_by = "test_one_timeseries_serves_many_at_once"

    def write(self, batch):
        for cell in batch.cells:
            space = self._store.spaces.setdefault(self._key, {})
            row = space.setdefault(cell.name, {}).setdefault(cell.interval, {}).setdefault(cell.bucket, {})
            before = row.pop(cell.resolution, None)
            time.sleep(0.001)
            counts = before is not None and self._shape is Shape.COUNTER
            payload = before.data + cell.payload if counts else cell.payload
            super().write(evolve(batch, cells=[cell._replace(payload=payload)]))


class TakesWeek00ForWeek53(Rewriting):
    caught_by = "test_the_days_around_each_new_year_round_trip"

    def cell(self, cell):
        week_00 = 190_000 < cell.bucket < 220_000 and cell.bucket % 100 == 0
        return cell._replace(bucket=cell.bucket - 100 + 53) if week_00 else cell


class KeepsBucketsIn32Bits(Rewriting):
    caught_by = "test_distant_times"

    def cell(self, cell):
        return cell._replace(bucket=(cell.bucket + 2**31) % 2**32 - 2**31)


class TruncatesBelowZero(Rewriting):
    caught_by = "test_time_floors_below_zero_too"

    def cell(self, cell):
        return cell._replace(bucket=cell.bucket + 1) if cell.bucket < 0 else cell


class IgnoresTheResolution(Rewriting):
    caught_by = "test_a_fine_interval_keeps_each_resolution_bucket"

    def cell(self, cell):
        return cell if cell.resolution is None else cell._replace(resolution=cell.resolution // 60 * 60)


class CountsWhatIsPast(MemoryBackend):
    caught_by = "test_delete_counts_what_was_visible"

    def delete(self, selector):
        return super().delete(evolve(selector, cutoffs=dict.fromkeys(selector.cutoffs)))


class ProlongsALifeByWriting(Rewriting):
    caught_by = "test_a_late_insert_changes_no_life"

    def cell(self, cell):
        known = cell.name in self.names({cell.interval: None})
        return cell._replace(expires_at=cell.expires_at + 99_999) if known and cell.expires_at else cell


class ExpiresTooMuch(MemoryBackend):
    caught_by = "test_expire_or_its_refusal"

    def expire(self, expiry):
        return super().expire(evolve(expiry, cutoffs={name: cut and cut + 1 for name, cut in expiry.cutoffs.items()}))


class ExpiresOnlyWhatIsConfigured(MemoryBackend):
    caught_by = "test_expire_knows_what_it_was_not_told"

    def expire(self, expiry):
        return super().expire(evolve(expiry, now=0))


class Renaming(Rewriting):
    """Stores under another name than it is told."""

    def name(self, name):
        return name

    def cell(self, cell):
        return cell._replace(name=self.name(cell.name))

    def read(self, query):
        rows = super().read(evolve(query, names=tuple(self.name(name) for name in query.names)))
        return {name: rows[self.name(name)] for name in query.names}


class IgnoresCase(Renaming):
    caught_by = "test_names_are_stored_as_they_are"

    def name(self, name):
        return name.casefold()


class StripsNames(Renaming):
    caught_by = "test_names_are_stored_as_they_are"

    def name(self, name):
        return name.rstrip(" ") or name


class NormalisesNames(Renaming):
    caught_by = "test_names_are_stored_as_they_are"

    def name(self, name):
        return unicodedata.normalize("NFC", name)


class CutsNames(Renaming):
    caught_by = "test_the_longest_name"

    def name(self, name):
        return name[:4000]


class TakesNamesForPatterns(MemoryBackend):
    caught_by = "test_names_are_stored_as_they_are"

    def delete(self, selector):
        if selector.name is None:
            return super().delete(selector)
        names = [name for name in self._store.spaces.get(self._key, {}) if fnmatchcase(name, selector.name)]
        return sum(MemoryBackend.delete(self, evolve(selector, name=name)) for name in {*names, selector.name})


class LeaksAnotherPrefix(MemoryBackend):
    caught_by = "test_prefixes_are_kept_apart"

    def __init__(self, store, config):
        super().__init__(store, config)
        self._key = (config.prefix.partition(":")[0].lower(), config.type)


class LeaksAnotherType(MemoryBackend):
    caught_by = "test_types_are_kept_apart"

    def __init__(self, store, config):
        super().__init__(store, config)
        self._key = (config.prefix, "gauge" if config.type == "series" else config.type)


class JoinsKeysByAColon(MemoryBackend):
    """One flat key of interval and name."""

    caught_by = "test_names_and_intervals_are_kept_apart"

    def write(self, batch):
        cells = [cell._replace(name="", interval=f"{cell.interval}:{cell.name}") for cell in batch.cells]
        super().write(evolve(batch, cells=cells))

    def read(self, query):
        return {
            name: super(JoinsKeysByAColon, self).read(
                evolve(query, names=("",), interval=evolve(query.interval, name=f"{query.interval.name}:{name}"))
            )[""]
            for name in query.names
        }


class DeletesForeignNamespaces(MemoryBackend):
    caught_by = "test_prefixes_are_kept_apart"

    def delete(self, selector):
        if selector.name is None:
            for key in [key for key in self._store.spaces if key[0].startswith(self._key[0])]:
                del self._store.spaces[key]
        return super().delete(selector)


class CountsBucketsInsteadOfCells(MemoryBackend):
    caught_by = "test_delete_removes_a_name"

    def delete(self, selector):
        held = self._store.spaces.get(self._key, {}).get(selector.name, {})
        buckets = sum(map(len, held.values()))
        return min(super().delete(selector), buckets)


class LeavesUnconfiguredIntervals(MemoryBackend):
    caught_by = "test_delete_counts_configured_intervals_and_removes_all"

    def delete(self, selector):
        if selector.name is not None and selector.spans is None:
            selector = evolve(selector, spans=dict.fromkeys(selector.cutoffs, (None, None)))
        return super().delete(selector)


class DeletesMoreThanWasAsked(MemoryBackend):
    caught_by = "test_a_narrowed_delete_or_its_refusal"

    def delete(self, selector):
        return super().delete(evolve(selector, spans=None))


class RemembersDeletedCounters(MemoryBackend):
    """As Cassandra's counters do by themselves."""

    caught_by = "test_after_a_delete_things_count_from_nothing"

    def delete(self, selector):
        removed = super().delete(selector)
        if selector.name is not None:
            self.__dict__.setdefault("buried", []).append(selector.name)
        return removed

    def write(self, batch):
        buried = self.__dict__.get("buried", [])
        grown = [cell._replace(payload=cell.payload + 1) if cell.name in buried else cell for cell in batch.cells]
        super().write(evolve(batch, cells=grown) if self._shape is Shape.COUNTER else batch)


BROKEN = [made for made in list(globals().values()) if hasattr(made, "caught_by")]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_it_is_caught(catch, broken):
    catch(broken)
