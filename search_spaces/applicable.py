"""Which factors apply to a run: points that differ in no other are one run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import cast

from pbb.config import (
    DEMONSTRATED_ARMS,
    REVEALING_ARMS,
    Arm,
    ReinforcingStage,
    WrittenStage,
    stages_of_arm,
)
from pbb.written import WrittenDocuments
from search_spaces.factors import REPLAYING, RETROACTIVE, FactorGrid, Factors, levels
from search_spaces.study_file import Study


def grid_points(grid: FactorGrid, study: Study) -> Iterator[Factors]:
    """Every point of the grid, reduced to the factors that apply; may repeat itself."""
    axes = levels(grid, study.domain_paths)
    for values in product(*map(dict.fromkeys, axes.values())):
        point = reduced(dict(zip(axes, values, strict=True)), grid, study)
        if point is not None:
            yield point


def reduced(point: Factors, grid: FactorGrid, study: Study) -> Factors | None:
    """The point without the factors that do not apply to it; null where it is no run at all.

    Points that differ only in such factors become equal. What trains nothing has no seed and no
    rank of its own: it takes the least of the grid.
    """
    arm, curriculum = cast(Arm, point["arm"]), str(point["curriculum"])
    if curriculum == "none" and arm not in ("none", "in_context"):
        return None
    stages = stages_of_arm(study.curricula.get(curriculum, ()), arm)
    kept = dict(point)
    if arm not in DEMONSTRATED_ARMS:
        kept |= {"demonstrations": 0, "demonstration_format": None, "skew": None}
    if arm not in REVEALING_ARMS or curriculum not in REPLAYING | RETROACTIVE:
        kept["replay"] = None
    if curriculum not in REPLAYING or not _replays(point, study):
        kept["replay_source"] = None
    if not (stages or curriculum in REPLAYING | RETROACTIVE) or _is_bare(curriculum, arm):
        kept |= {"seed": min(grid.seed), "lora_rank": min(grid.lora_rank)}
    if not _executes_acquisition(kept, stages, study):
        kept["acquisition_demonstrations"] = None
    return kept


def _is_bare(curriculum: str, arm: Arm) -> bool:
    """Whether the arm is asked of the base as it came, though the curriculum trains others."""
    return curriculum == "no-acquisition" and arm == "in_context"


def _replays(point: Factors, study: Study) -> bool:
    """Arm `none` reads nothing but replay; `in_context` nothing but stage 1's own mixture."""
    if point["arm"] in REVEALING_ARMS:
        share = study.train.replay if point["replay"] is None else point["replay"]
        return share != 0
    return point["arm"] == "none"


def _executes_acquisition(point: Factors, stages: tuple[WrittenStage, ...], study: Study) -> bool:
    """Whether training draws on executions of acquisition programs."""
    curriculum = point["curriculum"]
    if curriculum == "no-acquisition":
        return _replays(point, study) and point["replay_source"] in (None, "stage1", "executions")
    if curriculum in REPLAYING | RETROACTIVE:
        return True
    return any(
        isinstance(stage, ReinforcingStage)
        or any(
            isinstance(entry, WrittenDocuments)
            and (entry.kind, entry.split) == ("executions", "acquisition")
            for entry in stage.documents
        )
        for stage in stages
    )
