"""The benchmark's moments are those of the launch."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from pbb.jobs import Job
from pbb.training import loop
from study.backends.worker import ENGINE, load_runner
from tests.bench.answered_sample import planned
from tests.bench.launch_speed import END, medians, seconds_since, table
from tests.bench.timed_engine import MOMENTS, RUNNER, STAGE, STEP, moments, note


def test_training_tells_its_moments_and_leaves_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MOMENTS, str(tmp_path / "moments"))
    monkeypatch.setattr(loop, "Optimiser", loop.Optimiser)  # put back afterwards
    threads = torch.get_num_threads()
    trial = planned("quickstart", smoke=True).trials[0]
    began_s = time.time()
    weights = []
    for name in (ENGINE, RUNNER):
        (out := tmp_path / name.partition(":")[2]).mkdir()
        list(load_runner(name).run_cohort([Job(trial.chain[0].stage, None, out)]))
        weights.append((out / "adapter_model.safetensors").read_bytes())
        assert (tmp_path / "moments").exists() == (name == RUNNER)
    ended_s = time.time()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    found = moments(tmp_path / "moments")
    assert began_s < found[STAGE] < found[STEP] < ended_s
    assert weights[0] == weights[1]


def test_the_first_of_each_moment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whichever worker."""
    monkeypatch.setenv(MOMENTS, str(tmp_path / "moments"))
    assert moments(tmp_path / "moments") == {}
    note(STAGE)
    first = moments(tmp_path / "moments")
    note(STEP)
    note(STAGE)
    assert moments(tmp_path / "moments")[STAGE] == first[STAGE]


def test_rounds_become_medians() -> None:
    rounds = [seconds_since(10.0, {STAGE: 10 + s, STEP: 11 + s, END: 20 + s}) for s in (1, 5, 2)]
    assert medians(rounds) == {STAGE: 2, STEP: 3, END: 12}
    assert "| local | 2.0 | 3.0 | 12.0 |" in table({"local": rounds})


def test_a_launch_that_tells_no_step_is_no_measurement() -> None:
    with pytest.raises(SystemExit):
        seconds_since(0.0, {STAGE: 1.0, END: 2.0})
