"""The suite once more, with a harness that looks into the file past kairos."""

from contextlib import contextmanager

import pytest

from kairos.config import structure
from kairos_conformance import KINDS, BackendSuite, Harness
from kairos_lmdb._encoding import Space
from kairos_lmdb._file import File, Options


def fetch(cells, name, interval, i_start, i_end):
    """Give what the built-in read gives."""
    found = {}
    for bucket, resolution, data in cells:
        found.setdefault(bucket, {})[resolution] = data
    return found


class FileHarness(Harness):
    """A small file, which has to grow, and which the tests have to themselves."""

    disposable = variant = True
    fetch = dict.fromkeys(KINDS, fetch)

    def __init__(self, path):
        config = {"sync": False, "map_size": 2**16}
        super().__init__(url=f"lmdb://{path}", options={"client_config": config})
        self.file = File.shared(path, structure(Options, config), self)

    @contextmanager
    def plant(self):
        keys = [b"a", b"conformance", b"conformance-", b"\xff"]
        self.file.transaction(lambda found: [found.put(key, b"foreign") for key in keys], write=True, create=True)
        yield lambda: self.file.transaction(lambda found: {found.get(key) for key in keys}) == {b"foreign"}
        self.file.transaction(lambda found: [found.delete(key) for key in keys], write=True)

    def stored(self, kind, prefix):
        start, stop = Space(prefix, kind).span()
        return self.file.transaction(lambda found: sum(start <= key < stop for key, _ in found.cursor()))


@pytest.mark.full
class TestLookedInto(BackendSuite):
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def file(cls, tmp_path_factory):
        cls.harness = FileHarness(tmp_path_factory.mktemp("file") / "conformance.lmdb")
