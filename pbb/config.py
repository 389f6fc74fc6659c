"""Inputs of an experiment, as frozen values: what a run is, and the stages it compiles to.

A `RunConfig` says what a researcher means (a curriculum, an arm, a seed). `pbb.curricula` compiles
it to `Stage`s, which say what a machine does. This is the door to these values, which other
packages come through; each kind has a module of its own. Imports no torch.
"""

from __future__ import annotations

from pbb.arms import (
    DECLARED_ARMS,
    DEMONSTRATED_ARMS,
    INSTRUCTED_ARMS,
    PBB_ARMS,
    REVEALING_ARMS,
    Arm,
)
from pbb.corpus_config import CorpusConfig
from pbb.domains.domain import Representation, ResponseFormat
from pbb.frozen import Frozen, Positive, ProgramCount, Share
from pbb.recipes import NUMERICS_VERSION, Lora, Numerics, Recipe, RlRecipe
from pbb.run_config import (
    Curriculum,
    CurriculumName,
    DemonstrationFormat,
    EvaluateConfig,
    ReplaySource,
    RunConfig,
    TrainConfig,
)
from pbb.sources import (
    Component,
    Compositions,
    Declarations,
    Executions,
    InContext,
    PlaceboDeclarations,
    Source,
    Split,
)
from pbb.stages import (
    AnyQuestion,
    Base,
    EvaluateStage,
    Question,
    RecallQuestion,
    RlStage,
    Role,
    Stage,
    TrainingStage,
    TrainStage,
)
from pbb.written_curricula import (
    ReadingStage,
    ReinforcingStage,
    WrittenCurriculum,
    WrittenStage,
    stages_of_arm,
    unfit_stages,
)

__all__ = [
    "DECLARED_ARMS",
    "DEMONSTRATED_ARMS",
    "INSTRUCTED_ARMS",
    "NUMERICS_VERSION",
    "PBB_ARMS",
    "REVEALING_ARMS",
    "AnyQuestion",
    "Arm",
    "Base",
    "Component",
    "Compositions",
    "CorpusConfig",
    "Curriculum",
    "CurriculumName",
    "Declarations",
    "DemonstrationFormat",
    "EvaluateConfig",
    "EvaluateStage",
    "Executions",
    "Frozen",
    "InContext",
    "Lora",
    "Numerics",
    "PlaceboDeclarations",
    "Positive",
    "ProgramCount",
    "Question",
    "ReadingStage",
    "RecallQuestion",
    "Recipe",
    "ReinforcingStage",
    "ReplaySource",
    "Representation",
    "ResponseFormat",
    "RlRecipe",
    "RlStage",
    "Role",
    "RunConfig",
    "Share",
    "Source",
    "Split",
    "Stage",
    "TrainConfig",
    "TrainStage",
    "TrainingStage",
    "WrittenCurriculum",
    "WrittenStage",
    "stages_of_arm",
    "unfit_stages",
]
