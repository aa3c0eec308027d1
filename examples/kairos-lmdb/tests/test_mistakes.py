"""What an author sees: mistakes that are easily made, each with the standard test that finds it and what that says.

A mistake is a change of the source of this very backend.
"""

from importlib import import_module
from pathlib import Path

import pytest
from attrs import frozen

import kairos_lmdb
from kairos.registry import register
from kairos_conformance import BackendSuite

pytest_plugins = ["pytester"]

SOURCE = Path(kairos_lmdb.__file__).parent
SUITE = """
from {part.__module__} import {part.__name__}
from kairos_conformance import UrlHarness


class TestMine({part.__name__}):
    harness = UrlHarness("mine://{folder}/mine.lmdb", client_config={{"sync": False}})
"""


@frozen(kw_only=True)
class Mistake:
    """In ``file`` the author wrote the values of ``changes`` instead of its keys: then ``test`` fails, and says so."""

    name: str
    file: str
    changes: dict[str, str]
    test: str
    among: str = "blocking"
    says: list[str]


MISTAKES = [
    Mistake(
        name="negative buckets come last",
        file="_encoding.py",
        changes={
            '(bucket + 2**63).to_bytes(8, "big")': 'bucket.to_bytes(8, "big", signed=True)',
            'int.from_bytes(rest[at : at + 8], "big") - 2**63': 'int.from_bytes(rest[at : at + 8], "big", signed=True)',
        },
        test="test_time_floors_below_zero_too",
        among="blocking-series",
        says=["E *{-60: *} != {-60: *2, 3*}", "Look at: how the backend keeps negative bucket ids*order*"],
    ),
    Mistake(
        name="the end of a range is left out",
        file="_encoding.py",
        changes={"start + _ordered(last + 1)": "start + _ordered(last)"},
        test="test_the_range_of_a_series",
        says=["E *assert *9, 0* == *9, 10*", "Look at: the end of a range in `Backend.read`, which is included*"],
    ),
    Mistake(
        name="the resolution is left out",
        file="_encoding.py",
        changes={"return start if resolution is None else start + _ordered(resolution)": "return start"},
        test="test_a_fine_interval_keeps_each_resolution_bucket",
        among="blocking-series",
        says=["Points of one interval that differ*", "Look at: a key of a cell that leaves out the resolution bucket*"],
    ),
    Mistake(
        name="keys are text",
        file="_encoding.py",
        changes={"lambda data: _unpack(data)[0]": "lambda data: {str(key): n for key, n in _unpack(data)[0].items()}"},
        test="test_one_key_for_equal_numbers",
        among="blocking-int-histogram",
        says=["E *{'1': 4, *} == {1: 4, *}", "Look at: keys that are compared as text, or decoded to*"],
    ),
    Mistake(
        name="prefixes and types run together",
        file="_encoding.py",
        changes={r'b"%b\0%b\0" % (prefix.encode(), kind.encode())': 'b"%b" % prefix.encode()'},
        test="test_prefixes_are_kept_apart",
        among="blocking-series",
        says=["Timeseries with different prefixes never see*", "Look at: how the prefix becomes part of a key*"],
    ),
    Mistake(
        name="names are joined by a colon",
        file="_encoding.py",
        changes={r"\0": ":"},
        test="test_names_are_stored_as_they_are",
        among="blocking-series",
        says=["A name is any non-empty text*", "Look at: collations, globs, separators of composed keys*"],
    ),
    Mistake(
        name="a key is longer than it may be",
        file="_encoding.py",
        changes={"MAX_PREFIX_BYTES, MAX_NAME_BYTES = 80, 200": "MAX_PREFIX_BYTES, MAX_NAME_BYTES = 80, 255"},
        test="test_the_longest_name",
        among="blocking-series",
        says=["E *BackendError: *BAD_VALSIZE*", "Look at: the width of columns and keys*beside the name*"],
    ),
    Mistake(
        name="two writers lose a sum",
        file="_backend.py",
        changes={
            "        def work(transaction: Any) -> None:\n": (
                "        olds = {}\n"
                "        for cell in batch.cells:\n"
                "            key = self._space.key(*cell[:4])\n"
                "            olds[cell[:4]] = self._file.transaction(lambda found: found.get(key, b''))\n"
                "        time.sleep(0.001)\n\n"
                "        def work(transaction: Any) -> None:\n"
            ),
            'transaction.get(key, b"")': "olds[name, interval, bucket, resolution]",
            "import re\n": "import re, time\n",
        },
        test="test_one_timeseries_serves_many_at_once",
        among="blocking-count",
        says=["E *assert * == 216", "Look at: connections that are shared*, and read-modify-write."],
    ),
    Mistake(
        name="a batch in several transactions",
        file="_backend.py",
        changes={
            "            for name, interval, bucket, resolution, payload, expires_at in batch.cells:\n": (
                "            for name, interval, bucket, resolution, payload, expires_at in [cell]:\n"
            ),
            "        self._file.transaction(work, write=True)\n\n    def read": (
                "        for cell in batch.cells:\n            self._file.transaction(work, write=True)\n\n    def read"
            ),
        },
        test="test_a_failed_batch_leaves_no_part_behind",
        says=["E *Left contains 600 more items*", "Look at: a batch that is sent in pieces*"],
    ),
    Mistake(
        name="an error is swallowed",
        file="_backend.py",
        changes={
            "        self._file.transaction(work, write=True)\n\n    def read": (
                "        with contextlib.suppress(Exception):\n"
                "            self._file.transaction(work, write=True)\n\n    def read"
            ),
            "import re\n": "import contextlib, re\n",
        },
        test="test_a_sum_past_64_bits_is_an_error",
        says=["E *DID NOT RAISE *OverflowError*", "*caught and not raised again."],
    ),
    Mistake(
        name="delete counts all that it removes",
        file="_backend.py",
        changes={
            "visible += key.interval in cutoffs and not _before(key.bucket, cutoffs[key.interval])": "visible += 1"
        },
        test="test_delete_counts_what_was_visible",
        among="blocking-series",
        says=["E *assert 5 == 2", "Look at: the cutoffs of a `Selector`*"],
    ),
    Mistake(
        name="names lists what is past",
        file="_backend.py",
        changes={
            "self._space.span(name, interval, cutoff) for interval": "self._space.span(name, interval) for interval"
        },
        test="test_data_vanishes_when_its_time_comes",
        among="blocking-series",
        says=["E *assert *'a'* == *", "Look at: cutoffs that a verb ignores*"],
    ),
    Mistake(
        name="expire forgets what is not configured",
        file="_backend.py",
        changes={"elif known or int": "elif known and int"},
        test="test_expire_knows_what_it_was_not_told",
        among="blocking-series",
        says=["E *assert 0 == 1", "Look at: ``expires_at`` of the cells*"],
    ),
    Mistake(
        name="0 is taken for no data",
        file="_backend.py",
        changes={
            "if (key.resolution is None) is (interval.resolution is None):": (
                "if (key.resolution is None) is (interval.resolution is None) and self._read(cursor.value()[8:]):"
            )
        },
        test="test_zero_makes_the_bucket",
        says=["E *assert {} == {1356998400: 0}", "Look at: a backend that takes 0 for no data."],
    ),
    Mistake(
        name="close closes what others use",
        file="_file.py",
        changes={
            "            if not self.users:\n                self.close()\n": (
                "            if self.environment:\n                self.environment.close()\n"
            )
        },
        test="test_closing_one_leaves_the_others",
        says=["E *Attempt to operate on closed*", "Look at: *closes what other Timeseries still use."],
    ),
    Mistake(
        name="blocking is not said",
        file="_backend.py",
        changes={"    blocking = True\n": ""},
        test="test_every_verb_gives_way_to_the_loop",
        among="async",
        says=["E *the event loop stood still until these were done: bulk_insert,*", "Look at: ``blocking = True``*"],
    ),
]


@pytest.fixture
def fails(pytester, monkeypatch, request):
    """Write this backend with a mistake, and run the standard test that finds it, and no more than its part of the
    suite.
    """

    def run(mistake):
        package = f"mine_{request.node.callspec.indices['mistake']}"
        for file in SOURCE.glob("*.py"):
            text = file.read_text().replace("kairos_lmdb", package).replace('"lmdb:', '"mine:')
            if file.name == mistake.file:
                for right, wrong in mistake.changes.items():
                    assert right in text
                    text = text.replace(right, wrong)
            (pytester.path / package).mkdir(exist_ok=True)
            (pytester.path / package / file.name).write_text(text)
        monkeypatch.syspath_prepend(pytester.path)
        part = next(part for part in BackendSuite.__mro__ if mistake.test in vars(part))
        pytester.makepyfile(test_it=SUITE.format(part=part, folder=pytester.path))
        with register(import_module(package).LMDBBackend, schemes=["mine"]):
            return pytester.runpytest_inprocess(
                *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", f"{mistake.test} and {mistake.among}")
            )

    return run


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name.replace(" ", "-"))
def test_it_is_found_and_said(fails, mistake):
    result = fails(mistake)
    assert result.parseoutcomes().get("failed", 0) > 0, result.stdout.str()
    result.stdout.fnmatch_lines(mistake.says[:1])
    result.stdout.fnmatch_lines(["*The contract of kairos*", *mistake.says[1:]])
