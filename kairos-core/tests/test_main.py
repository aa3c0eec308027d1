"""``python -m kairos expire``: what a nightly job needs."""

import subprocess
import sys
import time

import pytest
from attrs import evolve, frozen

from kairos import BackendUnavailable, Timeseries
from kairos.__main__ import main
from kairos.backend import Capabilities, Shape
from kairos.config import structure
from kairos.memory import MemoryBackend, MemoryStore
from kairos.registry import register


@frozen(kw_only=True)
class Options:
    table_name: str = "default"


class Owning(MemoryBackend):
    """Opens a store by URL as a database does; notes what is done to it."""

    store = MemoryStore()
    log: list
    fails = False

    def __init__(self, store, config):
        self.log.append(("options", dict(config.options), config.create, config.prefix, config.type))
        structure(Options, config.options)
        super().__init__(store, evolve(config, options={}))

    @classmethod
    def open(cls, target, config, *, asynchronous):
        assert asynchronous is False
        return cls(cls.store, config)

    @property
    def owns_client(self):
        return True

    def prepare(self, *, writing):
        raise AssertionError("expire must work without it")

    def expire(self, expiry):
        if self.fails:
            raise BackendUnavailable("cannot reach owning://user:hunter2@host/db?password=hunter2")
        self.log.append(("expire", expiry.name, dict(expiry.cutoffs), expiry.limit))
        assert abs(expiry.now - time.time()) < 60
        return super().expire(expiry)

    def close(self):
        self.log.append("close")


@pytest.fixture
def log(monkeypatch):
    monkeypatch.setattr(Owning, "store", MemoryStore())
    monkeypatch.setattr(Owning, "log", [], raising=False)
    with register(Owning, schemes=["owning"]):
        yield Owning.log


def fill(prefix="", type="count", n=5):
    """Write n cells that are past by now, and one that is not, each of two names."""
    long_ago = time.time() - 10_000_000
    intervals = {"m": {"step": 60, "steps": 100}}
    series = Timeseries(Owning.store, type=type, prefix=prefix, intervals=intervals, clock=lambda: long_ago)
    for name in "ab":
        for k in range(n):
            series.insert(name, 1, timestamp=long_ago + 60 * k)
        series.insert(name, 1, timestamp=time.time() + 3600)


def stored():
    """How many cells each (prefix, type) of the store holds."""
    return {
        key: sum(len(cells) for intervals in space.values() for cells in intervals["m"].values())
        for key, space in Owning.store.spaces.items()
    }


def test_what_is_past_is_removed_and_counted(log, capsys):
    fill()
    fill(prefix="other")
    fill(type="gauge")
    assert main(["expire", "owning://host", "--type", "count"]) == 0
    assert capsys.readouterr().out == "expired 10 cells\n"
    assert stored() == {("", "count"): 2, ("other", "count"): 12, ("", "gauge"): 12}
    assert main(["expire", "owning://host", "--type", "count"]) == 0
    assert capsys.readouterr().out == "expired 0 cells\n"


def test_the_prefix_is_a_timeseriess_own(log, capsys):
    fill(prefix="other")
    assert main(["expire", "owning://host", "--type", "count", "--prefix", "other:"]) == 0
    assert capsys.readouterr().out == "expired 10 cells\n"
    assert log[0] == ("options", {}, False, "other", "count")


def test_it_works_in_bounded_pieces_and_closes_what_it_opened(log, capsys):
    fill()
    assert main(["expire", "owning://host", "--type", "count", "--limit", "4"]) == 0
    assert capsys.readouterr().out == "expired 10 cells\n"
    assert log[1:] == [("expire", None, {}, 4)] * 4 + ["close"]


def test_a_table_is_passed_on(log):
    assert main(["expire", "owning://host", "--type", "count", "--table", "mine"]) == 0
    assert log[0][1] == {"table_name": "mine"}


def test_a_store_that_expires_by_itself_says_so(log, capsys, monkeypatch):
    monkeypatch.setattr(Owning, "capabilities", Capabilities(native_expiry=frozenset({Shape.COUNTER})))
    assert main(["expire", "owning://host", "--type", "count"]) == 1
    assert "expires by itself" in capsys.readouterr().err
    assert log[-1] == "close"
    assert main(["expire", "owning://host", "--type", "gauge"]) == 0


def test_an_error_goes_to_stderr_without_the_password(log, capsys, monkeypatch):
    monkeypatch.setattr(Owning, "fails", True)
    assert main(["expire", "owning://user:hunter2@host/db", "--type", "count"]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("kairos: cannot reach owning://***@host")
    assert "hunter2" not in shown.err
    assert log[-1] == "close"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nope://u:hunter2@h", "no backend for the URL scheme 'nope'"),
        ("u@hunter2", "is not a URL"),
        ("memory://", None),
    ],
)
def test_a_bad_url_is_an_error(capsys, url, message):
    status = main(["expire", url, "--type", "count"])
    shown = capsys.readouterr()
    assert status == (0 if message is None else 1)
    assert (message or "") in shown.err
    assert "hunter2" not in shown.err


@pytest.mark.parametrize("options", [["--prefix", "a\0b"], ["--table", "x"]])
def test_bad_options_are_an_error(capsys, options):
    assert main(["expire", "memory://", "--type", "count", *options]) == 1
    assert capsys.readouterr().err.startswith("kairos: ")


@pytest.mark.parametrize("arguments", ["", "expire", "expire memory://", "expire memory:// --type counter", "remove"])
def test_bad_arguments_are_a_usage_error(capsys, arguments):
    with pytest.raises(SystemExit) as caught:
        main(arguments.split())
    assert caught.value.code == 2
    assert "usage: python -m kairos" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["0", "-5", "x", "1.5"])
def test_the_limit_is_a_positive_number(capsys, limit):
    with pytest.raises(SystemExit) as caught:
        main(["expire", "memory://", "--type", "count", "--limit", limit])
    assert caught.value.code == 2
    assert limit in capsys.readouterr().err


def test_as_a_command():
    def command(*arguments):
        return subprocess.run([sys.executable, "-m", "kairos", *arguments], capture_output=True, text=True, check=False)

    done = command("expire", "memory://", "--type", "set")
    assert (done.returncode, done.stdout, done.stderr) == (0, "expired 0 cells\n", "")
    done = command("expire", "nope://user:hunter2@host", "--type", "set")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("kairos: no backend for the URL scheme 'nope'")
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr
