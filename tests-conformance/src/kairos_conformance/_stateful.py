"""The backend and ``memory://`` do the same random things, and must give the same answers."""

from __future__ import annotations

import pytest

from kairos_conformance._base import SuiteBase
from kairos_conformance._samples import every_kind
from kairos_conformance._store import Store

__all__ = ["StatefulTests"]


class StatefulTests(SuiteBase):
    """Comparison with the reference."""

    @every_kind
    @pytest.mark.stateful
    def test_random_verbs_agree_with_memory(self, store: Store, kind: str) -> None:
        """Whatever is done in whatever order, a backend answers as the in-process one does (semantics 1 to 5).

        Look at: the shortest sequence of verbs that hypothesis found, which it prints as a program.
        """
        self._compare(store, kind, examples=8, steps=18, derandomize=True)

    @every_kind
    @pytest.mark.stateful
    @pytest.mark.full
    def test_many_random_verbs_agree_with_memory(self, store: Store, kind: str) -> None:
        """As `test_random_verbs_agree_with_memory`, with longer sequences, others in every run (semantics 1 to 5).

        Look at: the shortest sequence of verbs that hypothesis found, which it prints as a program.
        """
        self._compare(store, kind, examples=10, steps=30, derandomize=False)

    def _compare(self, store: Store, kind: str, *, examples: int, steps: int, derandomize: bool) -> None:
        pytest.importorskip("hypothesis", reason="pip install 'kairos-conformance[stateful]'")
        from kairos_conformance._machine import compare  # noqa: PLC0415 - it needs hypothesis

        compare(store, kind, examples=examples, steps=steps, derandomize=derandomize)
