"""The state machine of `_stateful`: random verbs on a backend and on ``memory://``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

import kairos
from kairos_conformance._store import Store

__all__ = ["compare"]

# Few of everything, so that what was written is also what is read and deleted.
ALL_NAMES = ["a", "A", "a ", "\u00e9", "e\u0301"]
NAMES = st.sampled_from(ALL_NAMES)
SOME_NAMES = NAMES | st.lists(NAMES, min_size=2, max_size=5)
OFFSETS = st.none() | st.sampled_from([0, -1, 1, -15, -16, -17, -31, -33, -47, -48, -49, -64, 15, 17])
"""Sixteenths of the step of the interval that has a retention: within it, at its borders, past it and in the future."""
INTERVALS = st.sampled_from(["minute", "kept", "month"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1]),
    "float": st.sampled_from([0, 0.0, 1, 1.0, True, 0.1, -2.5, 1e300]),
    "text": st.sampled_from(["", "a", "A", "a ", "\u00e9", "e\u0301", "'", "%", "0"]),
    "count": st.integers(-3, 3) | st.sampled_from([2**62, -(2**62), 2**63 - 1, 0.5, -1.25, 2.0]),
    "small count": st.integers(-3, 3) | st.sampled_from([2**53 + 1]),
    "mixed count": st.integers(-3, 3) | st.sampled_from([0.5, -1.25, 2.0]),
    "int count": st.integers(-3, 3) | st.integers(-(2**40), 2**40),
}
NUMBERS = count()


def compare(store: Store, kind: str, *, examples: int, steps: int, derandomize: bool) -> None:
    """Run random sequences of verbs, each in a namespace of its own, and shrink what fails."""
    run_state_machine_as_test(
        # Not a class of its own: hypothesis keeps those, and each would keep its store, with all that it has opened.
        # It takes any callable, whatever its annotation says.
        partial(Comparison, store, kind),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            derandomize=derandomize,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, with its type, or which error it raises."""
    try:
        found = call()
    except kairos.KairosError as error:
        return type(error)
    return found, type(found)


class Comparison(RuleBasedStateMachine):
    """Every rule is one verb on both."""

    def __init__(self, store: Store, kind: str) -> None:
        super().__init__()
        self.store = store
        self.kind = kind
        self.agree = True
        store.clock.restart()  # the last example has moved it, and no border may come by now
        self.step = store.quiet_step

    @initialize(value_type=st.sampled_from(["int", "float", "text"]), data=st.data())
    def begin(self, value_type: str, data: st.DataObject) -> None:
        intervals: dict[str, dict[str, Any]] = {
            "minute": {"step": 60},
            "kept": {"step": self.step, "steps": 3, "resolution": 60},
            "month": {"step": "monthly", "resolution": "weekly"},
        }
        limits = self.store.capabilities
        if self.kind == "count":
            # What is left of a batch that is refused half-way is not to be compared; and a store may add in floats from
            # the first one on, which is not to be compared to the last digit (semantics 3.5).
            exact = "count" if limits.atomic_batch else "small count" if value_type == "int" else "mixed count"
            stored = None
            self.values = VALUES[exact if limits.float_counts and limits.checked_counts else "int count"]
        else:
            self.values, stored = VALUES[value_type], value_type
        prefix = f"{self.store.namespace}-{next(NUMBERS)}"
        self.real = self.store.open(self.kind, intervals, prefix=prefix, value_type=stored)
        memory: Any = kairos.Timeseries  # it checks the names of types, and here they are data
        self.model = memory("memory://", type=self.kind, intervals=intervals, value_type=stored, clock=self.store.clock)

        self.bulk_insert(data)  # or most of what follows would find nothing

    def teardown(self) -> None:
        if hasattr(self, "model"):
            try:
                if self.agree:  # else what disagreed before is the failure to show
                    self.both("iterate", ALL_NAMES, "month")
                    self.both("iterate", ALL_NAMES[::-1], "kept")
            finally:
                self.real.delete_all()
                self.real.close()
                self.model.close()

    def both(self, verb: str, *args: Any, **keywords: Any) -> None:
        """Call a verb on both; iterators are exhausted."""
        shape = list if verb == "iterate" else lambda found: found
        expected = outcome(lambda: shape(getattr(self.model, verb)(*args, **keywords)))
        found = outcome(lambda: shape(getattr(self.real, verb)(*args, **keywords)))
        self.agree = found == expected
        given = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in keywords.items())])
        assert self.agree, f"{verb}({given}): the backend gives\n{found}\nmemory:// gives\n{expected}"

    def when(self, offset: int | None) -> Any:
        """A moment near now, as far as ``offset`` sixteenths of the retained interval away."""
        return None if offset is None else self.store.clock.now + offset * self.step / 16

    # --- Writing ------------------------------------------------------------------------------------------------------

    @rule(name=NAMES, data=st.data(), offset=OFFSETS, intervals=st.sampled_from([0, 0, 0, 1, -1, 3, -3]))
    def insert(self, name: str, data: st.DataObject, offset: int | None, intervals: int) -> None:
        value = data.draw(self.values | st.lists(self.values, max_size=4), label="value")
        self.both("insert", name, value, self.when(offset), intervals)

    @rule(data=st.data())
    def bulk_insert(self, data: st.DataObject) -> None:
        points = st.lists(st.tuples(NAMES, self.values, OFFSETS), max_size=20)
        batch = [(name, value, self.when(offset)) for name, value, offset in data.draw(points, label="points")]
        self.both("bulk_insert", batch)

    # --- Reading ------------------------------------------------------------------------------------------------------

    @rule(names=SOME_NAMES, interval=INTERVALS, offset=OFFSETS, condense=st.booleans())
    def get(self, names: Any, interval: str, offset: int | None, condense: bool) -> None:  # noqa: FBT001
        self.both("get", names, interval, self.when(offset), condense=condense)

    @rule(
        names=SOME_NAMES,
        interval=INTERVALS,
        start=OFFSETS,
        end=OFFSETS,
        steps=st.none() | st.integers(1, 5),
        switches=st.fixed_dictionaries({}, optional={"condense": st.booleans(), "collapse": st.booleans()}),
    )
    def series(
        self, *, names: Any, interval: str, start: int | None, end: int | None, steps: int | None, switches: Any
    ) -> None:
        self.both("series", names, interval, self.when(start), self.when(end), steps, **switches)

    @rule(names=SOME_NAMES, interval=INTERVALS, condense=st.booleans())
    def iterate(self, names: Any, interval: str, condense: bool) -> None:  # noqa: FBT001
        self.both("iterate", names, interval, condense=condense)

    @rule(name=NAMES)
    def discover(self, name: str) -> None:
        self.both("list")
        self.both("properties", name)

    # --- Deleting and time --------------------------------------------------------------------------------------------

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.both("delete", name)

    @precondition(lambda self: self.store.can_narrow(self.kind))
    @rule(name=NAMES, interval=st.none() | INTERVALS, start=OFFSETS, end=OFFSETS)
    def narrow(self, name: str, interval: str | None, start: int | None, end: int | None) -> None:
        self.both("delete", name, interval=interval, start=self.when(start), end=self.when(end))

    @precondition(lambda self: not self.store.expires_natively(self.kind))
    @rule(name=st.none() | NAMES, limit=st.none() | st.integers(1, 5))
    def expire(self, name: str | None, limit: int | None) -> None:
        # Of several names it is up to the store whose cells go first.
        self.both("expire", name, limit=None if name is None else limit)

    @rule(offset=st.sampled_from([1, 4, 16, 40]))
    def advance(self, offset: int) -> None:
        self.store.clock.advance(offset * self.step // 16)
