from atexit import register
from shutil import rmtree
from tempfile import mkdtemp

from kairos_conformance import BackendSuite, UrlHarness

FOLDER = mkdtemp()
register(rmtree, FOLDER, ignore_errors=True)


class TestLMDB(BackendSuite):
    harness = UrlHarness(f"lmdb://{FOLDER}/conformance.lmdb", client_config={"sync": False})
