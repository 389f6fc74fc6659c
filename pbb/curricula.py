"""Curriculum x arm -> ordered stages, each a declared mixture of document kinds.

The table is design's: what stage 1 and stage 2 hold for each curriculum, and what an arm reveals
about the targets. Cook et al. 2026 (arXiv 2506.18777), sections on proactive PBB and its baselines.
"""

from __future__ import annotations

from pbb.config import (
    Base,
    Component,
    Compositions,
    Declarations,
    EvaluateStage,
    Executions,
    InContext,
    Lora,
    PlaceboDeclarations,
    Recipe,
    RunConfig,
    Source,
    Split,
    TrainStage,
)
from pbb.documents import DEMONSTRATED_AS
from pbb.questions import curve_steps, evaluations


def compile_run(run: RunConfig, base: Base) -> tuple[TrainStage | EvaluateStage, ...]:
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


def _training_stages(run: RunConfig, base: Base) -> tuple[TrainStage, ...]:
    train = run.train
    stage1 = _stage(run, base, "stage1", acquisition_mixture(run), train.stage1)
    stage2 = _stage(run, base, "stage2", revelation_mixture(run), train.stage2)
    match run.curriculum:
        case "none":
            return ()
        case "proactive":
            return (stage1,) if run.arm == "in_context" else (stage1, stage2)
        case "no-acquisition":
            return () if run.arm == "in_context" else (stage2,)
        case "homogeneous":
            return (_homogeneous(run, stage1, stage2),)
        case "retroactive-sft" | "retroactive-rl":
            raise NotImplementedError(run.curriculum)


def _stage(
    run: RunConfig,
    base: Base,
    role: str,
    mixture: tuple[Component, ...],
    recipe: Recipe,
) -> TrainStage:
    rank = run.lora_rank
    lr_ratio = run.train.full_rank_lr_ratio if rank == 0 else 1.0
    return TrainStage.model_validate(
        {
            "role": role,
            "base": base,
            "corpus": run.corpus,
            "mixture": mixture,
            "recipe": {**recipe.model_dump(), "peak_lr": recipe.peak_lr * lr_ratio},
            "lora": Lora(rank=rank, alpha=run.train.lora_alpha, scaling=run.train.lora_scaling),
            "seed": run.seed,
            "numerics": run.train.numerics,
        }
    )


def acquisition_mixture(run: RunConfig) -> tuple[Component, ...]:
    """Stage 1: declarations and executions of acquisition programs; the same for every arm."""
    train = run.train
    sources: list[tuple[Source, float]] = [
        (Declarations(split="acquisition"), train.declarations),
        (InContext(split="acquisition", formats=train.formats), train.in_context),
        (Compositions(split="acquisition", formats=train.formats), train.compositions),
        (
            Executions(split="acquisition", formats=train.formats),
            1 - train.declarations - train.in_context - train.compositions,
        ),
    ]
    return tuple(Component(source=source, share=share) for source, share in sources if share > 0)


def revelation_mixture(run: RunConfig) -> tuple[Component, ...]:
    """Stage 2: replay of stage 1, and the arm's target documents. Arm `none` is replay alone."""
    revealed = _target_sources(run)
    replay = run.train.replay if revealed else 1.0
    replayed = [
        Component(source=c.source, share=c.share * replay, replay=True)
        for c in acquisition_mixture(run)
        if replay > 0
    ]
    share = (1 - replay) / max(len(revealed), 1)
    return (*replayed, *(Component(source=source, share=share) for source in revealed))


def _target_sources(run: RunConfig) -> list[Source]:
    split: Split = run.stand_in
    sources: list[Source] = []
    if run.arm in ("instruction", "both"):
        sources.append(Declarations(split=split))
    if run.arm == "placebo":
        sources.append(PlaceboDeclarations(split=split))
    if run.demonstration_format is not None:
        shown = DEMONSTRATED_AS[run.demonstration_format]
        sources.append(
            Executions(
                split=split, formats=(shown,), demonstrations=run.demonstrations, skew=run.skew
            )
        )
    return sources


def _homogeneous(run: RunConfig, stage1: TrainStage, stage2: TrainStage) -> TrainStage:
    """Both stages' documents shuffled into one stage of the same total tokens."""
    tokens = [s.recipe.steps * s.recipe.tokens_per_step for s in (stage1, stage2)]
    mixture = tuple(
        Component(source=c.source, share=c.share * tokens[i] / sum(tokens))
        for i, stage in enumerate((stage1, stage2))
        for c in stage.mixture
    )
    recipe = stage1.recipe.model_dump() | {
        "steps": round(sum(tokens) / stage1.recipe.tokens_per_step)
    }
    return TrainStage.model_validate(
        stage1.model_dump() | {"role": "homogeneous", "mixture": mixture, "recipe": recipe}
    )
