"""The benchmark recovers prices that are known."""

from __future__ import annotations

from dataclasses import astuple, replace

import pytest

from study.costs import Work, seconds, stage_work
from study.prices import CPU
from tests.bench.forecast_speed import Sample, chain, fitted, samples


def test_prices_are_recovered_from_the_seconds_they_make() -> None:
    known = replace(CPU, stages=0.05)
    bases = ("nano-xs", "nano-s", "nano-m", "nano-l")
    shipped = [("f06", "read-then-rl"), ("f06", "read-then-sft"), ("quickstart", "proactive")]
    stages = [stage for base in bases for each in shipped for stage in chain(*each, base)]
    made = [Sample("", stage, seconds(stage_work(stage), known)) for stage in stages]
    found: Work = fitted(made)
    assert astuple(found) == pytest.approx(astuple(known), rel=1e-3)


@pytest.mark.slow
def test_every_kind_of_stage_is_timed() -> None:
    found = list(samples("nano-xs", taught=24))
    assert {each.stage.kind for each in found} == {"train", "rl", "evaluate"}
    assert all(each.cpu_s > 0 for each in found)
