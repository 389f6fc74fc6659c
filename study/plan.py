"""A study file becomes a plan: trials, each a chain of stages known by their fingerprints. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from pbb.config import Base, CorpusConfig, EvaluateStage, RunConfig, Split, TrainStage
from pbb.corpus import build_corpus, composed_cases, compositions
from pbb.curricula import compile_run
from pbb.models.registry import resolve as resolve_base
from pbb.sampling import demonstration_inputs
from search_spaces.errors import StudyError
from search_spaces.factors import ENUMERATION_ORDER, Factors, Scalar
from search_spaces.runs import proposed_nuisances, run_config
from search_spaces.samplers import points, tuning_points
from search_spaces.study_file import Study
from study.identity import fingerprint

Resolve = Callable[[str], Base]


@dataclass(frozen=True)
class PlannedStage:
    """A stage and the fingerprint of its result, which covers everything it builds on."""

    fingerprint: str
    parent: str | None
    stage: TrainStage | EvaluateStage


@dataclass(frozen=True)
class Trial:
    """One run and its evaluation.

    run: fingerprint of the trained weights; of the evaluation where nothing is trained.
    nuisances: the values proposed for this trial; empty unless the study tunes.
    chain: stages in order; the last one is the evaluation.
    """

    id: str
    run: str
    factors: Factors
    nuisances: Mapping[str, float]
    config: RunConfig
    chain: tuple[PlannedStage, ...]


@dataclass(frozen=True)
class Plan:
    """A study's trials. Empty where `tpe` proposes them one by one (`tuning_trials`)."""

    study: Study
    trials: tuple[Trial, ...]

    def stages(self) -> dict[str, PlannedStage]:
        """Fingerprint -> stage, each once, parents before children."""
        return {stage.fingerprint: stage for trial in self.trials for stage in trial.chain}


def make_plan(study: Study, resolve: Resolve = resolve_base) -> Plan:
    """Every trial of the study's design. Raises StudyError."""
    return Plan(study, tuple(compile_trial(study, point, resolve) for point in points(study)))


def check_corpora(plan: Plan) -> None:
    """Build every corpus once. Raises StudyError where one cannot give what its runs ask of it."""
    for config in {_data_of(trial.config) for trial in plan.trials}:
        try:
            _check_corpus(config)
        except ValueError as error:
            raise StudyError(f"study {plan.study.name!r}: {error}") from error


@dataclass(frozen=True)
class _Data:
    """What runs ask of a corpus."""

    corpus: CorpusConfig
    split: Split
    composed: int
    composes: bool
    skewed: tuple[float, int, int] | None
    """skew, seed, demonstrations."""


def _data_of(run: RunConfig) -> _Data:
    skewed = (run.skew, run.seed, run.demonstrations) if run.skew else None
    composes = run.train.compositions > 0
    return _Data(run.corpus, run.stand_in, run.evaluate.composed, composes, skewed)


def _check_corpus(asked: _Data) -> None:
    """Raises ValueError."""
    corpus = build_corpus(asked.corpus)
    if asked.composed:
        compositions(asked.corpus, asked.split, asked.composed)
    if asked.composes:
        composed_cases(asked.corpus, "acquisition")
    if asked.skewed is not None:
        skew, seed, count = asked.skewed
        for program in corpus.split(asked.split):
            demonstration_inputs(program, asked.corpus.data_seed, seed, skew, count)


def compile_trial(
    study: Study, factors: Mapping[str, Scalar], resolve: Resolve = resolve_base
) -> Trial:
    """Factors and proposed nuisances (dotted paths into `train`) -> the chain that gives the run.

    Raises StudyError for a model not at hand, or where the factors are no valid run.
    """
    config = run_config(study, factors)
    try:
        base = resolve(config.model)
    except ValueError as error:
        raise StudyError(f"study {study.name!r}: {error}") from error
    try:
        chain = _chained(compile_run(config, base))
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise StudyError(f"study {study.name!r}: {reason}") from error
    trained = [s.fingerprint for s in chain if s.stage.kind == "train"]
    return Trial(
        id=fingerprint(config, parent=chain[-1].fingerprint),
        run=trained[-1] if trained else chain[-1].fingerprint,
        factors={name: factors[name] for name in ENUMERATION_ORDER},
        nuisances=proposed_nuisances(factors),
        config=config,
        chain=chain,
    )


def tuning_trials(
    study: Study, nuisances: Mapping[str, float], resolve: Resolve = resolve_base
) -> tuple[Trial, ...]:
    """One proposal of the design tpe: a trial a seed, evaluated on validation programs."""
    return tuple(compile_trial(study, point, resolve) for point in tuning_points(study, nuisances))


def _chained(stages: tuple[TrainStage | EvaluateStage, ...]) -> tuple[PlannedStage, ...]:
    chain: list[PlannedStage] = []
    for stage in stages:
        parent = chain[-1].fingerprint if chain else None
        chain.append(PlannedStage(fingerprint(stage, parent=parent), parent, stage))
    return tuple(chain)
