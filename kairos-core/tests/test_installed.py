"""What is wrong with a plugin is said so that its author can act on it: when it is used, and by the listing."""

import pytest

from kairos import BackendNotFound, PluginError, Timeseries
from kairos.__main__ import main
from kairos.installed import installed_backends, installed_plugins
from kairos.plugins import GROUP
from kairos.registry import BACKENDS, CLIENTS, find_backend

MEMORY = "kairos.memory:MemoryBackend"
BACKEND = """
from kairos.backend import Backend
from kairos.memory import MemoryBackend

class NoRead(MemoryBackend):
    read = Backend.read
    __abstractmethods__ = frozenset({"read"})

class Few(Backend):
    def write(self, batch): ...

class OneWord(MemoryBackend):
    def names(self, cutoffs): ...

class NoKeyword(MemoryBackend):
    def prepare(self): ...

class Renamed(MemoryBackend):
    @classmethod
    def open(cls, target, config, *, colour): ...

class More(MemoryBackend):
    def read(self, query, timeout=None, *rest, trace=False, **more): ...

class Old(MemoryBackend):
    api_version = 0

class Own(MemoryBackend):
    def __init__(self, store, config):
        self.capabilities = MemoryBackend.capabilities
        super().__init__(store, config)

    capabilities = Backend.capabilities
"""
PLUGIN = """
from kairos import hookimpl

@hookimpl
def fetch(context): ...

@hookimpl(wrapper=True)
def transform(context):
    return (yield)
"""


@pytest.fixture
def backends(installed, module):
    name = module("written_backends", BACKEND)
    return lambda attribute, scheme="made": installed.add(BACKENDS, scheme, f"{name}:{attribute}")


WRONG = {
    "NoRead": "it has no read",
    "Few": "it has no adapt, bounds, close, delete, expire, names, open, owns_client, prepare, read",
    "OneWord": "names(self, cutoffs) is called as names(self, cutoffs, options=None)",
    "NoKeyword": "prepare(self) is called as prepare(self, *, writing)",
    "Renamed": "open(target, config, *, colour) is called as open(target, config, *, asynchronous)",
    "Old": "version 0 of the backend contract",
    "Missing": "has no attribute 'Missing'",
}


@pytest.mark.parametrize(("attribute", "why"), WRONG.items())
def test_a_wrong_backend_is_named_with_what_is_wrong(backends, attribute, why):
    backends(attribute)
    with pytest.raises(BackendNotFound) as caught:
        find_backend("made://")
    assert why in str(caught.value)
    assert f"written_backends:{attribute} of made-up" in str(caught.value)
    [found] = installed_backends()
    assert found.problem == str(caught.value)
    assert (found.value, found.distributions) == (f"written_backends:{attribute}", ("made-up 1.2",))


def test_a_verb_may_take_more_than_the_core_gives(backends):
    backends("More")
    assert find_backend("made://")[0].__name__ == "More"


def test_a_backend_is_listed_once_with_all_its_names(installed):
    for scheme in ("two", "one"):
        installed.add(BACKENDS, scheme, MEMORY)
    installed.add(CLIENTS, "client", MEMORY)
    [found] = installed_backends()
    assert found.problem is None
    assert (found.facts["schemes"], found.facts["clients"]) == ("one, two", "client")
    words = found.facts["capabilities"].split(", ")
    assert {"native_expiry=none", "narrow_delete=all", "atomic_batch=True", "max_name_bytes=None"} <= set(words)


def test_capabilities_that_only_an_instance_has_are_not_made_up(backends):
    backends("Own")
    assert installed_backends()[0].facts["capabilities"] == "up to the server and the configuration"


def test_two_claims_on_one_scheme_are_the_problem_of_both(backends):
    for attribute in ("More", "Own"):
        backends(attribute)
    problems = [found.problem for found in installed_backends()]
    assert problems[0] == problems[1]
    assert "'made' in kairos.backends is claimed by" in problems[0]


def test_a_plugin_is_listed_with_its_hooks(installed, module):
    installed.add(GROUP, "made", module("written_plugin", PLUGIN))
    [found] = installed_plugins()
    assert found.facts == {"name": "made", "hooks": "fetch, transform"}
    assert found.problem is None


WRONG_PLUGINS = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "misspelt": ("from kairos import hookimpl\n@hookimpl\ndef transfrom(context): ...", "unknown hook 'transfrom'"),
    "signature": ("from kairos import hookimpl\n@hookimpl\ndef transform(context, more): ...", "more"),
    "no hooks": ("def transform(context): ...", "no function that is marked by kairos.hookimpl"),
}


@pytest.mark.parametrize("wrong", WRONG_PLUGINS)
def test_a_wrong_plugin_is_named_with_what_is_wrong(installed, module, monkeypatch, wrong):
    source, why = WRONG_PLUGINS[wrong]
    installed.add(GROUP, "made", module("written_plugin", source))
    with pytest.raises(PluginError, match=why) as caught:
        Timeseries("memory://", intervals={"m": {"step": 60}})
    [found] = installed_plugins()
    assert found.problem == str(caught.value)
    assert "'made'" in found.problem
    monkeypatch.setenv("KAIROS_DISABLE_PLUGINS", "made")
    [found] = installed_plugins()
    assert found.problem is None
    assert found.facts["left out"] == "by KAIROS_DISABLE_PLUGINS"


def test_plugins_with_one_name_are_both_broken(installed, module):
    for number in (1, 2):
        installed.add(GROUP, "made", module(f"written_plugin_{number}", PLUGIN))
    assert [found.problem for found in installed_plugins()] == ["two plugins have this name: uninstall one of them"] * 2


def test_the_command_lists_all(installed, capsys):
    installed.add(BACKENDS, "memory", MEMORY, None)
    assert main(["plugins"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("backends:\n  kairos.memory:MemoryBackend (no distribution)\n    schemes: memory\n")
    assert out.endswith("plugins with read hooks:\n  none\n")


def test_the_command_fails_if_something_is_broken(installed, module, backends, capsys):
    backends("Old")
    installed.add(GROUP, "made", module("written_plugin", PLUGIN))
    assert main(["plugins"]) == 1
    out = capsys.readouterr().out
    assert "  written_backends:Old (made-up 1.2)\n    schemes: made\n    BROKEN: written_backends:Old of made-up" in out
    assert "hooks:\n  written_plugin (made-up 1.2)\n    name: made\n    hooks: fetch, transform\n" in out
