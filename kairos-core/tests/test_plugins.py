"""Which plugins take part: those that are installed and not blocked, in a stated order, and one's own."""

import types

import pytest

from kairos import ConfigurationError, PluginError, Timeseries, hookimpl
from kairos.plugins import DISABLE, GROUP

INTERVALS = {"minute": {"step": 60}}
TAG = """
from kairos import hookimpl

class Plugin:
    @hookimpl
    def transform(self, context):
        if context.name == "who":
            return lambda data: {tag!r}
        if context.name == {tag!r}:
            return lambda data: "here"

plugin = Plugin()
"""


def make(*plugins):
    return Timeseries("memory://", intervals=INTERVALS, plugins=plugins)


def ask(name, *plugins):
    return make(*plugins).get("a", "minute", 0, transform=name)[0]


@pytest.fixture
def add(installed, module):
    """Install a plugin that knows the transform 'who' and one of its own name."""
    installed.add("kairos.backends", "memory", "kairos.memory:MemoryBackend", "kairos-core")

    def add(name, distribution="made-up", source=None):
        written = module(f"made_up_{name}", TAG.format(tag=name) if source is None else source)
        installed.add(GROUP, name, f"{written}:plugin", distribution)

    return add


class Mine:
    @hookimpl
    def transform(self, context):
        return (lambda data: "mine") if context.name == "who" else None


def test_an_installed_plugin_takes_part(add):
    add("alpha")
    assert ask("alpha") == "here"


def test_of_the_installed_the_last_name_is_asked_first_and_ones_own_before_them(add):
    for name in ("beta", "alpha", "gamma"):  # as if installed in this order
        add(name)
    assert ask("who") == "gamma"
    assert ask("who", Mine()) == "mine"
    assert ask("alpha", Mine()) == "here"


def test_plugins_are_loaded_once_at_the_first_timeseries(add, installed):
    add("alpha")
    assert installed.asked == 0
    make()
    asked = installed.asked
    for _ in range(3):
        make()
    assert installed.asked == asked


@pytest.mark.parametrize(
    ("blocked", "left"),
    [
        ("", ["alpha", "beta"]),
        ("alpha", ["beta"]),
        ("alpha,beta", []),
        (" alpha , nobody ", ["beta"]),
        ("*", []),
        ("*,x", []),
        ("alph", ["alpha", "beta"]),
    ],
)
def test_plugins_are_blocked_by_name(add, monkeypatch, blocked, left):
    add("alpha")
    add("beta")
    monkeypatch.setenv(DISABLE, blocked)
    assert DISABLE == "KAIROS_DISABLE_PLUGINS"
    for name in ("alpha", "beta"):
        if name in left:
            assert ask(name) == "here"
        else:
            with pytest.raises(ValueError, match="unknown name"):
                ask(name)


def test_ones_own_plugins_are_not_blocked(add, monkeypatch):
    monkeypatch.setenv(DISABLE, "*")
    assert ask("who", Mine()) == "mine"


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import nobody_has_this", "nobody_has_this"),
        ("", "has no attribute 'plugin'"),
        ("def", "SyntaxError"),
    ],
    ids=["raises", "import", "attribute", "syntax"],
)
def test_a_plugin_that_cannot_be_loaded_is_named_and_can_be_left_out(add, monkeypatch, source, why):
    add("broken", "made-up", source)
    add("alpha")
    with pytest.raises(PluginError) as caught:
        make()
    message = str(caught.value)
    assert message.startswith("plugin 'broken', made_up_broken:plugin of made-up, cannot be loaded")
    assert why in message
    assert f"{DISABLE}=broken" in message
    assert caught.value.__cause__ is not None
    monkeypatch.setenv(DISABLE, "broken")
    assert ask("alpha") == "here"


def test_a_broken_plugin_of_nobody_is_named_as_well(add):
    add("broken", None, "1 / 0")
    with pytest.raises(PluginError, match="made_up_broken:plugin of an unknown distribution"):
        make()


def test_two_plugins_with_one_name_are_an_error_that_names_both(add, installed):
    add("alpha", "one")
    installed.add(GROUP, "alpha", "made_up_alpha:Plugin", "two")
    with pytest.raises(PluginError, match=r"'alpha' is there twice") as caught:
        make()
    for who in ("one", "two"):
        assert who in str(caught.value)


MISSPELT = """
from kairos import hookimpl
@hookimpl
def transfrom(context): ...
"""
WRONG_ARGUMENT = """
from kairos import hookimpl
@hookimpl
def transform(context, other): ...
"""
NO_HOOKS = "def transform(context): ..."


WRONG = pytest.mark.parametrize(
    ("source", "why"),
    [(MISSPELT, "transfrom"), (WRONG_ARGUMENT, "other"), (NO_HOOKS, "no function that is marked by kairos.hookimpl")],
    ids=["misspelt", "argument", "unmarked"],
)


@WRONG
def test_a_plugin_whose_hooks_are_wrong_is_named(source, why):
    module_of_mine = types.ModuleType("module_of_mine")
    exec(source, module_of_mine.__dict__)
    with pytest.raises(PluginError, match="plugin 'module_of_mine ") as caught:
        make(module_of_mine)
    assert why in str(caught.value)
    if "hookimpl" in source:
        assert "the hooks are fetch, process_row, condense, join_rows, collapse, transform, and get a context" in str(
            caught.value
        )


@WRONG
def test_an_installed_plugin_whose_hooks_are_wrong_is_named(add, source, why):
    add("wrong", source=source + "\nimport sys\nplugin = sys.modules[__name__]")
    with pytest.raises(PluginError, match="plugin 'wrong'") as caught:
        make()
    assert why in str(caught.value)


def test_a_class_is_instantiated():
    assert ask("who", Mine) == "mine"


def test_an_installed_class_is_instantiated_once(add):
    count = "    made = 0\n    def __init__(self):\n        Plugin.made += 1\n\nplugin = Plugin\n"
    source = TAG.format(tag="n").replace("plugin = Plugin()\n", count)
    add("n", source=source)
    assert [ask("n"), ask("n"), ask("n", Mine())] == ["here"] * 3
    import made_up_n

    assert made_up_n.Plugin.made == 1


def test_a_class_that_needs_arguments_is_named():
    class Needs(Mine):
        def __init__(self, argument):
            raise AssertionError

    with pytest.raises(PluginError, match=r"'Needs \(plugins\[0\]\)' cannot be used: .*argument"):
        make(Needs)


def test_a_module_is_a_plugin(add):
    module_of_mine = types.ModuleType("module_of_mine")
    exec("from kairos import hookimpl\n@hookimpl\ndef transform(context):\n    return len", module_of_mine.__dict__)
    assert ask("anything", module_of_mine) == 0


def test_the_same_plugin_twice_is_an_error():
    mine = Mine()
    with pytest.raises(PluginError, match=r"plugin 'Mine \(plugins\[1\]\)' cannot be used"):
        make(mine, mine)


@pytest.mark.parametrize("bad", [None, 5, "name", b"x", {}, Mine(), Mine])
def test_plugins_are_a_list(bad):
    with pytest.raises(ConfigurationError, match=r"^plugins: "):
        Timeseries("memory://", intervals=INTERVALS, plugins=bad)


@pytest.mark.parametrize("bad", [5, "name", None, object])
def test_what_is_no_plugin_is_refused(bad):
    with pytest.raises(PluginError, match="has no function that is marked"):
        make(bad)


def test_any_iterable_of_plugins_will_do():
    series = Timeseries("memory://", intervals=INTERVALS, plugins=iter([Mine()]))
    assert series.get("a", "minute", 0, transform="who") == {0: "mine"}


def test_plugins_of_one_instance_are_not_those_of_another():
    mine = Mine()
    for _ in range(2):
        assert ask("who", mine) == "mine"
    with pytest.raises(ValueError, match="unknown name 'who'"):
        ask("who")
