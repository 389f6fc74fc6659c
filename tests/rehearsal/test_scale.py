"""A rehearsal does all that was asked for, whatever its size."""

from __future__ import annotations

from pathlib import Path

import pytest

from pbb.records import Status
from study.plan import make_plan
from study.store import Store
from tests.rehearsal.designs import rehearsed
from tests.rehearsal.parts import STAGES_A_SEED, collecting, on_ray, pool_and_store, trials_of
from tests.study.studies import fake_base


@pytest.mark.ray
def test_every_stage_passes_once_and_is_committed(tmp_path: Path) -> None:
    found = pool_and_store(tmp_path, STAGES_A_SEED, workers=20, stage_s=0.001)
    plan = make_plan(rehearsed(found["trials"]), fake_base)
    assert found["stages"] == len(plan.stages()) == STAGES_A_SEED
    store = Store(tmp_path)
    ends = [store.outcome(name) for name in plan.stages()]
    assert all(end is not None and end.status is Status.OK for end in ends)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_what_is_collected_is_compacted(tmp_path: Path) -> None:
    stages = 7 * STAGES_A_SEED
    pool_and_store(tmp_path, stages, workers=20, stage_s=0.0)
    found = collecting(tmp_path, stages)
    assert found["trials"] == found["files"] == trials_of(stages) == 280
    assert found["files_compacted"] < 5


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_trials_go_through_ray(tmp_path: Path) -> None:
    found = on_ray(tmp_path, 40)
    assert (found["trials"], found["stages"]) == (40, STAGES_A_SEED)
    assert found["cpu_s"] == pytest.approx(
        sum(used["cpu_s"] for used in found["processes"].values())
    )
    assert 0 < found["first_stage_s"] < found["wall_s"]
