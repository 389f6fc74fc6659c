"""A function that runs out of time, as elsewhere it might not, changes no corpus unseen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from pbb.config import CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.algorithms import Algorithms, jobs
from pbb.domains.algorithms.cases import prepare
from pbb.domains.algorithms.domain import rest_of_library
from pbb.domains.algorithms.jobs import LIMITS
from pbb.domains.algorithms.sandbox import TooSlow
from pbb.domains.configs import AlgorithmsConfig
from tests.pbb.test_own_functions import drafts, drawing, own


def test_one_late_call_makes_a_function_unusable() -> None:
    """Dropping that case alone, cases would depend on how fast a machine is."""
    body = "m = 10 ** 11 if n == {late} else 1\n    return sum(range(m)) + 2 * n"
    (first,) = prepare((own("once", body.format(late=0)),), 8)
    assert first.reason is None
    for case in (first.cases[0], first.cases[-1]):
        (late,) = prepare((own("once", body.format(late=case.input)),), 8)
        assert late.late and not late.cases and "0.5 s" in str(late.reason)


def test_a_late_generator_is_told_apart_from_one_that_fails() -> None:
    late = own("late", "return 3 * n", generator=drawing("(sum(range(10 ** 11)),)"))
    fails = own("fails", "return 3 * n", generator=drawing("1 / 0"))
    assert [each.late for each in prepare((late, fails), 8)] == [True, False]


def test_a_late_pair_is_an_error_and_not_left_out() -> None:
    outer = own("slow", "return sum(range(10 ** 11 if n > 10 ** 6 else 5)) + n * 3")
    inner = own("large", "return n * n * n", generator=drawing("(rng.randint(150, 900),)"))
    config = AlgorithmsConfig(functions=(outer, inner), names="kept")
    made = {draft.name: draft for draft in drafts(config)[:2]}
    assert {"slow", "large"} <= set(made)
    with pytest.raises(TooSlow, match="timeout"):
        Algorithms(config).compose(made["slow"], made["large"])


@pytest.fixture
def slow_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One on which every call is late. What it gave is kept for no other test."""
    monkeypatch.setattr(jobs, "LIMITS", replace(LIMITS, seconds_per_call=1e-9))
    for cached in (prepare, rest_of_library):
        cached.cache_clear()
    yield
    for cached in (prepare, rest_of_library):
        cached.cache_clear()


@pytest.mark.usefixtures("slow_machine")
def test_a_machine_too_slow_for_the_library_has_no_corpus() -> None:
    """One without the functions that were late would pass for the same."""
    config = CorpusConfig(domain=AlgorithmsConfig(), data_seed=1, targets=2, acquisition=2)
    with pytest.raises(TooSlow, match="ran out of time here"):
        build_corpus(config)
