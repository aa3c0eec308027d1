"""What the suite promises about itself: no silent opt-outs, the contract beside each test, and its options."""

import gc
import inspect
import re
import weakref
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import kairos_conformance
from kairos.errors import BackendUnavailable
from kairos.memory import MemoryBackend
from kairos.registry import register
from kairos_conformance import BackendSuite, Harness, UrlHarness
from kairos_conformance._machine import compare
from kairos_conformance._store import Colour, Store

pytest_plugins = ["pytester"]

README = Path(__file__).parents[1] / "README.md"
TESTS = {name: test for base in BackendSuite.__mro__ for name, test in vars(base).items() if name.startswith("test_")}
PARAGRAPHS = (
    [f"1.{n}" for n in range(1, 8)]
    + [f"2.{n}" for n in range(1, 7)]
    + [f"3.{n}" for n in range(1, 8)]
    # 4.8 is about what verbs cost: a matter of each backend's query plans, not of its answers.
    + [f"4.{n}" for n in (1, 2, 3, 4, 5, 6, 7, 9)]
    + ["5", "7"]
)


def paragraphs(test):
    """Give the paragraphs of the rules that a test names; "1 to 5" is everything, and names none."""
    doc = " ".join(inspect.getdoc(test).split())
    named = re.findall(r"\(semantics (\d(?:\.\d)?(?:, \d(?:\.\d)?)*)(?! to)", doc)
    return [paragraph for group in named for paragraph in group.split(", ")]


# --- The tests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TESTS)
def test_every_test_says_what_it_checks_and_where_to_look(name):
    doc = inspect.getdoc(TESTS[name])
    assert re.search(r"\((semantics|design: |capability)", doc), doc
    assert re.search(r"^Look at: ", doc, re.MULTILINE), doc


def test_no_part_of_the_suite_hides_a_test_of_another():
    names = Counter(name for base in BackendSuite.__mro__ for name in vars(base) if name.startswith("test_"))
    assert [name for name, n in names.items() if n > 1] == []


def test_no_backend_is_named():
    folder = Path(inspect.getfile(kairos_conformance)).parent
    named = re.compile(r"redis|mongo|sqlite|sqlalchemy|postgres|mysql|cassandra", re.IGNORECASE)
    code = [
        f"{module.name}: {line.strip()}"
        for module in sorted(folder.glob("*.py"))
        for line in re.sub(r'""".*?"""|#.*', "", module.read_text(), flags=re.DOTALL).splitlines()
        if named.search(line)
    ]
    assert code == []


def test_every_paragraph_is_tested():
    found = {paragraph for test in TESTS.values() for paragraph in paragraphs(test)}
    assert sorted(found) == sorted(PARAGRAPHS)


def test_the_readme_has_the_table_of_the_contract():
    table = defaultdict(list)
    for name, test in TESTS.items():
        for paragraph in paragraphs(test):
            table[paragraph].append(f"`{name.removeprefix('test_')}`")
    rows = [f"| {paragraph} | {', '.join(sorted(table[paragraph]))} |" for paragraph in PARAGRAPHS]
    wanted = "\n".join(["| rule | tests, without their `test_` |", "|---|---|", *rows])
    assert wanted in README.read_text(), f"put this into README.md:\n\n{wanted}"


# --- Opting out -------------------------------------------------------------------------------------------------------


def test_a_standard_test_cannot_be_overridden():
    with pytest.raises(TypeError, match=r"Mine\.test_zero_makes_the_bucket overrides a standard test"):

        class Mine(BackendSuite):
            def test_zero_makes_the_bucket(self, store):
                pass


@pytest.mark.parametrize("own", [None, pytest.mark.skip(reason="no")(lambda self: None), 5])
def test_nor_taken_away(own):
    with pytest.raises(TypeError, match="strict=True"):
        type("Mine", (BackendSuite,), {"test_zero_makes_the_bucket": own})


@pytest.mark.parametrize(
    "mark",
    [
        pytest.mark.xfail,
        pytest.mark.xfail(strict=True),
        pytest.mark.xfail(reason="r"),
        pytest.mark.xfail(strict=False, reason="r"),
    ],
    ids=["bare", "strict", "reason", "lax"],
)
def test_a_lax_xfail_does_not_count(mark):
    with pytest.raises(TypeError, match="strict=True"):
        type("Mine", (BackendSuite,), {"test_zero_makes_the_bucket": mark(lambda self: None)})


def test_a_strict_xfail_with_a_reason_may_stand(pytester):
    pytester.makepyfile(
        """
        import pytest
        from kairos_conformance import BackendSuite, UrlHarness

        class TestMine(BackendSuite):
            harness = UrlHarness("memory://strict")

            @pytest.mark.xfail(strict=True, reason="a known bug")
            def test_zero_makes_the_bucket(self, store):
                super().test_zero_makes_the_bucket(store)

            @pytest.mark.xfail(strict=True, reason="a known bug")
            def test_many_small_additions(self, store):
                raise AssertionError

            def test_of_my_own(self, store):
                assert store.open("count").list() == []
        """
    )
    chosen = "zero_makes or many_small or of_my_own"
    result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen)
    outcomes = result.parseoutcomes()
    del outcomes["deselected"]
    assert outcomes == {"passed": 2, "xfailed": 2, "failed": 2}
    result.stdout.fnmatch_lines(["*XPASS(strict)*a known bug*"])


# --- Harnesses and options --------------------------------------------------------------------------------------------


class Missing(Harness):
    url = "memory://missing"
    environment = "KAIROS_TEST_MISSING_URL"

    def missing(self):
        return "no server: start one"


def test_a_missing_store_is_a_skip(monkeypatch):
    for name in ("CI", "KAIROS_TEST_MISSING_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(pytest.skip.Exception, match="start one"):
        Missing().check()


@pytest.mark.parametrize("name", ["CI", "KAIROS_TEST_MISSING_URL"])
def test_and_a_failure_where_it_must_be_there(monkeypatch, name):
    monkeypatch.setenv(name, "true")
    with pytest.raises(pytest.fail.Exception, match="start one"):
        Missing().check()


class Unreachable(MemoryBackend):
    asked = 0

    def names(self, cutoffs, options=None):
        Unreachable.asked += 1
        raise BackendUnavailable("nobody answers")


def test_a_url_where_nobody_answers_is_asked_once():
    harness = UrlHarness("unreachable://x")
    with register(Unreachable, schemes=["unreachable"]):
        for _ in range(3):
            with pytest.raises(pytest.fail.Exception, match="nobody answers"):
                harness.check()
    assert Unreachable.asked == 1


def test_a_url_that_nobody_serves():
    with pytest.raises(pytest.fail.Exception, match="no backend for"):
        UrlHarness("nonsense://x").check()


def test_a_harness_knows_its_attributes():
    harness = Harness(url="memory://x", disposable=True)
    assert (harness.url, harness.disposable, Harness.disposable) == ("memory://x", True, False)
    with pytest.raises(TypeError, match="dispossable"):
        Harness(dispossable=True)
    with pytest.raises(NotImplementedError, match="target"), Harness().target(None, None):
        pass


def test_a_quick_run_has_every_kind_and_parameter_and_histograms_in_both_colours(pytester):
    suite = ("--pyargs", "kairos_conformance.suite", "--kairos-url", "memory://quick", "-q", "-p", "no:cacheprovider")
    lines = [
        pytester.runpytest_inprocess(*suite, "-p", "no:xdist", "--collect-only", *quick).outlines
        for quick in ((), ("-m", "not full"))
    ]
    found = [{line.partition("TestBackend::")[2].replace("\\", "") for line in some} - {""} for some in lines]
    every, quick = found  # without backslashes, of which pytest writes more each time
    full = {name for name, test in TESTS.items() if "full" in [mark.name for mark in getattr(test, "pytestmark", ())]}
    kinds, colours = {"count", "gauge", "histogram", "series", "set"}, {"blocking", "async"}
    chosen = {"count": "blocking", "gauge": "async", "series": "blocking", "set": "async"}
    ways = {}  # of each test with each of its further parameters: the kinds and colours in which it is run
    for one in every:
        name, _, parameters = one.removesuffix("]").partition("[")
        parts = parameters.split("-")
        kind, colour = (next((part for part in parts if part in some), None) for some in (kinds, colours))
        if name not in full and colour is not None:
            further = tuple(part for part in parts if part not in {kind, colour})
            all_ways, quick_ways = ways.setdefault((name, "-".join(further)), (set(), set()))
            all_ways.add((kind, colour))
            if one in quick:
                quick_ways.add((kind, colour))
    assert len(ways) > 200
    for (name, further), (all_ways, quick_ways) in ways.items():
        allowed = {(kind, colour) for kind, colour in all_ways if chosen.get(kind, colour) == colour}
        if not further:
            assert quick_ways == allowed, name
            continue
        assert quick_ways, (name, further)
        turns = [{way for way in allowed if way[0] in half} for half in ({"count", "gauge"}, {"series", "set"})]
        assert [way[0] for way in quick_ways if way[0] not in chosen] == sorted({way[0] for way in allowed} - {*chosen})
        assert {way for way in quick_ways if way[0] in chosen} in turns, (name, further)
    assert {"test_zero_makes_the_bucket[blocking]", "test_zero_makes_the_bucket[async]"} <= quick


@pytest.mark.parametrize(
    "url",
    ["memory://", *(pytest.param(url, marks=pytest.mark.full) for url in ("memory://cli", "sqlite:///{folder}/x.db"))],
)
def test_the_suite_runs_without_any_file(pytester, url):
    result = pytester.runpytest_subprocess(
        *("--pyargs", "kairos_conformance.suite", "--kairos-url", url.format(folder=pytester.path)),
        *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "each_kind or colon or list_is_sorted"),
    )
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] >= 20


def test_it_says_where_to_look_once_for_each_test(pytester):
    pytester.makepyfile(
        """
        from kairos_conformance import BackendSuite, UrlHarness
        from kairos.memory import MemoryBackend

        class TestMine(BackendSuite):
            harness = UrlHarness("mine://x")
        """
    )

    class Mine(MemoryBackend):
        def names(self, cutoffs, options=None):
            return []

    chosen = "test_zero_makes or test_list_is_sorted or test_a_gauge_keeps or test_very_many_names or no_timestamp"
    with register(Mine, schemes=["mine"]):
        result = pytester.runpytest_inprocess("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", chosen)
    result.stdout.fnmatch_lines(
        ["*where to look, test by test*", "   2 test_zero_makes_the_bucket: a backend that takes 0*"]
    )
    assert len([line for line in result.outlines if "test_zero_makes_the_bucket: " in line]) == 1


def test_without_a_url_the_suite_says_what_it_needs(pytester):
    result = pytester.runpytest_inprocess(
        *("--pyargs", "kairos_conformance.suite", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", "zero_makes")
    )
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*say which store to test: --kairos-url URL*"])


def test_the_suite_works_by_plain_import(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(
        """
        from kairos_conformance import BackendSuite, UrlHarness
        from kairos.memory import MemoryBackend

        class TestMine(BackendSuite):
            harness = UrlHarness("memory://plain")

        MemoryBackend.names = lambda self, cutoffs, options=None: ["nonsense"]
        """
    )
    result = pytester.runpytest_subprocess("-q", "-k", "many_small or list_is_sorted")
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"]) == (2, 10)
    result.stdout.fnmatch_lines(["E *assert [[]'nonsense'[]] ==*"])


def test_the_plugin_costs_nothing_where_the_suite_is_not_used(pytester):
    pytester.makepyfile(
        """
        import sys

        def test_it():
            ours = {name for name in sys.modules if name.split(".")[0] in {"kairos", "kairos_conformance"}}
            assert ours <= {"kairos_conformance", "kairos_conformance.plugin"}
        """
    )
    assert pytester.runpytest_subprocess("-q", "-p", "no:xdist", "-p", "no:cov").ret == 0


def test_the_names_of_the_package():
    assert kairos_conformance.__all__ == sorted(kairos_conformance.__all__, key=lambda name: (not name.isupper(), name))
    for name in kairos_conformance.__all__:
        assert getattr(kairos_conformance, name) is not None
    with pytest.raises(AttributeError, match="Nonsense"):
        kairos_conformance.Nonsense  # noqa: B018


def test_no_part_of_the_suite_marks_the_others():
    """A mark of a class goes to all tests of its subclasses, whoever wrote them."""
    assert [base for base in BackendSuite.__mro__ if "pytestmark" in vars(base)] == []


def test_a_comparison_keeps_nothing_of_its_store_alive():
    """Its clients and all that they hold would add up to gigabytes in a long run."""
    store = Store(Harness(url="memory://compared"), Colour.BLOCKING)
    with store:
        compare(store, "count", examples=3, steps=3, derandomize=True)
    gone = weakref.ref(store)
    del store
    gc.collect()
    assert gone() is None
