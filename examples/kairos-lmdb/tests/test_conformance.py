from kairos_conformance import BackendSuite, UrlHarness


class TestLMDB(BackendSuite):
    harness = UrlHarness("lmdb:conformance.lmdb", client_config={"sync": False})
