"""A stage that reinforces, run by the engine: killed, resumed, diverged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file

from pbb import alone
from pbb.config import RlStage
from pbb.curricula import compile_run
from pbb.engine import Engine
from pbb.models import forward
from pbb.models.adapters import ADAPTER_FILE
from pbb.models.registry import resolve
from pbb.records import Status
from pbb.training import reinforcement
from tests.pbb.runs import TRAIN, run

STEPS = 5


def stage(rank: int = 8, **recipe: object) -> RlStage:
    rl = TRAIN.rl.model_dump() if TRAIN.rl else {}  # a base that is right now and then in context
    told = {**rl, "steps": STEPS, "prompts_per_step": 3, "max_new_tokens": 12, **recipe}
    train = {**TRAIN.model_dump(), "rl": told}
    chain = compile_run(
        run("none", curriculum="retroactive-rl", train=train, lora_rank=rank), resolve("nano-xs")
    )
    (found,) = [each for each in chain if isinstance(each, RlStage)]
    return found.model_copy(update={"checkpoints": (2,)})


class Killed(BaseException):
    """Stands for the death of the process: nothing catches it."""


def killed_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    whole = reinforcement.Reinforcement.steps

    def some(self: reinforcement.Reinforcement) -> Iterator[object]:
        for record in whole(self):
            if record.step > steps:
                raise Killed
            yield record

    monkeypatch.setattr(reinforcement.Reinforcement, "steps", some)


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("rank", [0, 8])
@pytest.mark.parametrize("after", [0, 1, 3, 4])
def test_a_killed_stage_goes_on_and_leaves_the_same_bytes(
    tmp_path: Path, rank: int, after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "EVERY_STEPS", 2)
    whole, again, scratch = (tmp_path / name for name in ("whole", "again", "scratch"))
    whole.mkdir()
    again.mkdir()
    undisturbed = Engine("cpu").run(stage(rank), None, whole, tmp_path / "other")
    with monkeypatch.context() as patched:
        killed_after(patched, after)
        (tmp_path / "lost").mkdir()
        with pytest.raises(Killed):
            Engine("cpu").run(stage(rank), None, tmp_path / "lost", scratch)
    resumed = Engine("cpu").run(stage(rank), None, again, scratch)
    assert resumed.status is undisturbed.status is Status.OK
    assert resumed.summary == undisturbed.summary
    assert files(again) == files(whole)
    assert any(name.startswith("checkpoint-2/") for name in files(whole))


def test_what_was_kept_by_another_layout_of_parameters_is_as_good_as_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on another kind of device."""
    monkeypatch.setattr(alone, "EVERY_STEPS", 2)
    whole, again, scratch = (tmp_path / name for name in ("whole", "again", "scratch"))
    whole.mkdir()
    again.mkdir()
    with monkeypatch.context() as patched:
        killed_after(patched, 3)
        (tmp_path / "lost").mkdir()
        with pytest.raises(Killed):
            Engine("cpu").run(stage(8), None, tmp_path / "lost", scratch)
    monkeypatch.setattr(forward, "suits", lambda llama: False)
    assert Engine("cpu").run(stage(8), None, whole, tmp_path / "other").status is Status.OK
    assert Engine("cpu").run(stage(8), None, again, scratch).status is Status.OK
    assert files(again) == files(whole)


def test_a_diverged_stage_keeps_the_weights_that_last_were_good(tmp_path: Path) -> None:
    outcome = Engine("cpu").run(stage(peak_lr=1e30), None, tmp_path, tmp_path / "scratch")
    assert outcome.status is Status.DIVERGED
    assert outcome.reason and "step" in outcome.reason
    assert all(tensor.isfinite().all() for tensor in load_file(tmp_path / ADAPTER_FILE).values())
