"""What a unit of each kind of work costs on this machine: the constants of `study.prices`.

`python -m tests.bench.forecast_speed` runs small stages of several bases on one core, fits the
prices to their processor time (which other processes disturb little) and prints them. About a
minute. Run it with one thread, as `make bench-forecast` does.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import date
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from pbb.config import EvaluateStage, Lora, RlStage, Stage, TrainingStage, TrainStage
from pbb.curricula import compile_run
from pbb.engine import Engine
from pbb.models.registry import resolve
from pbb.records import Status
from search_spaces.runs import run_config
from search_spaces.samplers import points
from search_spaces.study_file import load_study
from study.costs import Work, seconds, stage_work
from study.prices import probe

SHAPES = ((2, 320), (6, 320), (18, 320), (6, 1024), (18, 1024), (6, 2048))
"""Steps and tokens a step of trained stages."""
SAMPLING = ((2, 4), (2, 16), (6, 16))
"""Steps and prompts a step of stages that reinforce."""
ASKED = (4, 24)
"""Programs of each question."""


@dataclass(frozen=True)
class Sample:
    """A stage that ran, in processor seconds."""

    base: str
    stage: Stage
    cpu_s: float


def chain(study: str, curriculum: str, base: str) -> tuple[Stage, ...]:
    """The stages of a shipped study's first instruction run, on another base."""
    found = load_study(study)
    factors = next(
        p for p in points(found) if (p["arm"], p["curriculum"]) == ("instruction", curriculum)
    )
    return compile_run(run_config(found, {**factors, "model": base}), resolve(base))


def samples(base: str, taught: int) -> Iterator[Sample]:
    """taught: steps of the stage whose model answers, so that its answers have their length."""
    engine = Engine("cpu")
    first, *_, last = chain("quickstart", "proactive", base)
    assert isinstance(first, TrainStage) and isinstance(last, EvaluateStage)
    sampling = next(s for s in chain("f06", "read-then-rl", base) if isinstance(s, RlStage))
    reinforced = sampling.model_copy(update={"corpus": first.corpus})  # which the parent has read
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        parent = _new(root)
        whole = _recipe(first, steps=taught)
        _run(engine, _recipe(first, steps=2, warmup_steps=1), None, _new(root))  # warms up
        yield Sample(base, whole, _run(engine, whole, None, parent))
        for steps, tokens in SHAPES:
            shaped = _recipe(first, steps=steps, tokens_per_step=tokens, warmup_steps=1)
            yield Sample(base, shaped, _run(engine, shaped, None, _new(root)))
        full = first.model_copy(update={"lora": Lora(rank=0)})
        for steps in (6, 18):
            shaped = _recipe(full, steps=steps, warmup_steps=1)
            yield Sample(base, shaped, _run(engine, shaped, None, _new(root)))
        for steps, prompts in SAMPLING:
            shaped = _recipe(reinforced, steps=steps, prompts_per_step=prompts, warmup_steps=1)
            yield Sample(base, shaped, _run(engine, shaped, parent, _new(root)))
        for programs in ASKED:
            few = tuple(q.model_copy(update={"programs": programs}) for q in last.questions)
            asked = last.model_copy(update={"questions": few})
            yield Sample(base, asked, _run(engine, asked, parent, _new(root)))


def _recipe(stage: TrainingStage, **changes: int) -> TrainingStage:
    data = stage.model_dump()
    return type(stage).model_validate({**data, "recipe": {**data["recipe"], **changes}})


def _new(root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=root))


def _run(engine: Engine, stage: Stage, parent: Path | None, out: Path) -> float:
    began = time.process_time()
    outcome = engine.run(stage, parent, out)
    assert outcome.status is not Status.DIVERGED, outcome.reason
    return time.process_time() - began


def fitted(found: Sequence[Sample]) -> Work:
    """Non-negative prices; a stage's error is judged by the root of its length."""
    amounts = np.array([astuple(stage_work(each.stage)) for each in found])
    spent = np.array([each.cpu_s for each in found])
    scale = amounts.max(axis=0)
    weights = 1 / np.sqrt(spent)
    prices, _ = nnls(amounts / scale * weights[:, None], spent * weights)
    return Work(*(float(each) for each in prices / scale))


def told(found: Sequence[Sample], prices: Work, probe_s: float) -> str:
    """The prices as the source of `study.prices` has them, and how well they fit."""
    lines = [
        f"# {date.today()}, {platform.machine()} {platform.processor()}, PROBE_S = {probe_s:.3g}"
    ]
    lines += [f"    {f.name}={getattr(prices, f.name):.2g}," for f in fields(prices)]
    for each in found:
        recipe = getattr(each.stage, "recipe", None)
        shape = f"{recipe.steps} steps" if recipe else "evaluation"
        ratio = seconds(stage_work(each.stage), prices) / each.cpu_s
        lines.append(
            f"{each.base:14} {each.stage.kind:9} {shape:10} {each.cpu_s:6.2f} s, fit {ratio:.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bases", nargs="+", default=["nano-xs", "nano-s", "nano-m", "nano-l"])
    parser.add_argument("--taught", type=int, default=72, help="steps of the model that answers")
    options = parser.parse_args()
    found = [each for base in options.bases for each in samples(base, options.taught)]
    print(told(found, fitted(found), probe()))


if __name__ == "__main__":
    main()
