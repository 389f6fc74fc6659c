"""Curriculum x arm -> ordered stages, each a declared mixture of document kinds.

The table is design's: what stage 1 and stage 2 hold for each curriculum, and what an arm reveals
about the targets (`pbb.mixtures`). Cook et al. 2026 (arXiv 2506.18777), sections on proactive and
retroactive PBB and their baselines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pbb.config import (
    DEMONSTRATED_ARMS,
    Base,
    Component,
    Compositions,
    Declarations,
    EvaluateStage,
    Executions,
    InContext,
    Lora,
    ReadingStage,
    Recipe,
    RlRecipe,
    RlStage,
    RunConfig,
    Source,
    TrainingStage,
    TrainStage,
    stages_of_arm,
)
from pbb.mixtures import (
    TargetLeak,
    acquisition_executions,
    acquisition_mixture,
    component,
    execution_mixture,
    replayed,
    revelation_mixture,
    written_mixture,
)
from pbb.questions import curve_steps, evaluations


def compile_run(run: RunConfig, base: Base) -> tuple[TrainingStage | EvaluateStage, ...]:
    """Training stages, each building on the one before; then evaluations, the run's result last.

    An evaluation asks the model of that training stage which its `stage` counts to (0: the base).
    """
    stages = _training_stages(run, base)
    kept = [step for step in curve_steps(run, stages) if step]
    if kept:
        last = stages[-1]
        whole = type(last).model_validate({**last.model_dump(), "checkpoints": kept})
        stages = (*stages[:-1], whole)
    return (*stages, *evaluations(run, base, stages))


def _training_stages(run: RunConfig, base: Base) -> tuple[TrainingStage, ...]:
    """Raises TargetLeak."""
    stages = _compiled(run, base)
    for source in _sources(stages):
        _refuse_leak(run, source)
    return stages


def _compiled(run: RunConfig, base: Base) -> tuple[TrainingStage, ...]:
    train = run.train
    match run.curriculum:
        case "none":
            return ()
        case "proactive" | "no-acquisition" | "homogeneous":
            return _proactive(run, base)
        case "retroactive-sft" | "retroactive-rl":
            declared = component(Declarations(split="acquisition"), 1.0)
            reading = revelation_mixture(run, [declared])
            first = _reading(run, base, "stage1", reading, train.stage2)
            if run.curriculum == "retroactive-rl" and train.rl is not None:
                return (first, _reinforcing(run, base, "stage2", train.rl))
            return (first, _reading(run, base, "stage2", execution_mixture(run), train.stage1))
        case _:
            return _written(run, base)


def _proactive(run: RunConfig, base: Base) -> tuple[TrainStage, ...]:
    """Stage 1 and stage 2, or the one of the two that is left, or both in one."""
    train, asked_early = run.train, run.arm == "in_context"
    stage1 = _reading(run, base, "stage1", acquisition_mixture(run), train.stage1)
    stage2 = _reading(run, base, "stage2", revelation_mixture(run, replayed(run)), train.stage2)
    if run.curriculum == "homogeneous":
        return (_homogeneous(stage1, stage2),)
    before = (stage1,) if run.curriculum == "proactive" else ()
    return before if asked_early else (*before, stage2)


def _written(run: RunConfig, base: Base) -> tuple[TrainingStage, ...]:
    return tuple(
        _reading(run, base, f"stage{i}", written_mixture(run, stage), stage.recipe)
        if isinstance(stage, ReadingStage)
        else _reinforcing(run, base, f"stage{i}", stage.reinforce)
        for i, stage in enumerate(stages_of_arm(run.stages, run.arm), start=1)
    )


def _reading(
    run: RunConfig,
    base: Base,
    role: str,
    mixture: tuple[Component, ...],
    recipe: Recipe,
) -> TrainStage:
    return TrainStage.model_validate({**_common(run, base, role, recipe), "mixture": mixture})


def _reinforcing(run: RunConfig, base: Base, role: str, recipe: RlRecipe) -> RlStage:
    """Executions of acquisition programs, whatever the arm: it is the same for all."""
    asked = acquisition_executions(run)
    return RlStage.model_validate({**_common(run, base, role, recipe), "source": asked})


def _common(run: RunConfig, base: Base, role: str, recipe: Recipe | RlRecipe) -> dict[str, object]:
    rank = run.lora_rank
    lr_ratio = run.train.full_rank_lr_ratio if rank == 0 else 1.0
    return {
        "role": role,
        "base": base,
        "corpus": run.corpus,
        "recipe": {**recipe.model_dump(), "peak_lr": recipe.peak_lr * lr_ratio},
        "lora": Lora(rank=rank, alpha=run.train.lora_alpha, scaling=run.train.lora_scaling),
        "seed": run.seed,
        "numerics": run.train.numerics,
    }


def _sources(stages: Sequence[TrainingStage]) -> Iterator[Source]:
    for stage in stages:
        if isinstance(stage, RlStage):
            yield stage.source
        else:
            yield from (each.source for each in stage.mixture)


def _refuse_leak(run: RunConfig, source: Source) -> None:
    """Whatever a curriculum is made of, arms without demonstrations execute no target."""
    executes = isinstance(source, Executions | Compositions | InContext)
    if executes and source.split == run.stand_in and run.arm not in DEMONSTRATED_ARMS:
        raise TargetLeak(
            f"curriculum {run.curriculum!r} trains on {source.kind} of {run.stand_in} programs, "
            f"which arm {run.arm!r} must never see"
        )


def _homogeneous(stage1: TrainStage, stage2: TrainStage) -> TrainStage:
    """Both stages' documents shuffled into one stage of the same total tokens."""
    tokens = [s.recipe.steps * s.recipe.tokens_per_step for s in (stage1, stage2)]
    mixture = tuple(
        component(c.source, c.share * tokens[i] / sum(tokens))
        for i, stage in enumerate((stage1, stage2))
        for c in stage.mixture
    )
    recipe = stage1.recipe.model_dump() | {
        "steps": round(sum(tokens) / stage1.recipe.tokens_per_step)
    }
    return TrainStage.model_validate(
        stage1.model_dump() | {"role": "homogeneous", "mixture": mixture, "recipe": recipe}
    )
