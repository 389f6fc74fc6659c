"""A study file becomes a plan: trials, each of stages known by their fingerprints. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from pbb.config import Base, CorpusConfig, EvaluateStage, RunConfig, Split, Stage
from pbb.corpus import Corpus, build_corpus, composed_cases, compositions
from pbb.curricula import compile_run
from pbb.domains.registry import FailedDomain, blamed
from pbb.mixtures import composes
from pbb.models.registry import resolve as resolve_base
from pbb.sampling import demonstration_inputs
from search_spaces.errors import StudyError
from search_spaces.factors import ENUMERATION_ORDER, Factors, Scalar
from search_spaces.groups import UNTUNED, Chosen, tuned_values
from search_spaces.runs import proposed_nuisances, run_config
from search_spaces.samplers import points, tuning_points
from search_spaces.study_file import Study
from search_spaces.tuning import check_effects
from study.identity import fingerprint

Resolve = Callable[[str], Base]


@dataclass(frozen=True)
class PlannedStage:
    """A stage and the fingerprint of its result, which covers everything it builds on."""

    fingerprint: str
    parent: str | None
    stage: Stage

    @property
    def is_evaluation(self) -> bool:
        """True where it leaves item rows, and nothing that could be built on."""
        return isinstance(self.stage, EvaluateStage)


Chain = Sequence[PlannedStage]
"""All stages of a trial: a stage comes after its parent, evaluations come after what trains, and
the evaluation that is the trial's result comes last."""


def evaluations(chain: Chain) -> tuple[PlannedStage, ...]:
    """The evaluations of a chain, the result last; a trial has ended when all of them have."""
    return tuple(planned for planned in chain if planned.is_evaluation)


@dataclass(frozen=True)
class Trial:
    """One run and its evaluations.

    run: fingerprint of the trained weights; of the evaluation where nothing is trained.
    nuisances: the values proposed for this trial; empty unless the design is tpe.
    tuned: the values that tuning chose for it; no part of what tells its cell from others.
    chain: see `Chain`.
    """

    id: str
    run: str
    factors: Factors
    nuisances: Mapping[str, float]
    tuned: Mapping[str, float]
    config: RunConfig
    chain: tuple[PlannedStage, ...]


@dataclass(frozen=True)
class Plan:
    """A study's trials. Empty where `tpe` proposes them one by one (`tuning_trials`).

    chosen: what tuning found; as long as it lacks a group, its trials are not yet what will be run.
    """

    study: Study
    trials: tuple[Trial, ...]
    chosen: Chosen

    def stages(self) -> dict[str, PlannedStage]:
        """Fingerprint -> stage, each once, parents before children."""
        return {stage.fingerprint: stage for trial in self.trials for stage in trial.chain}


def make_plan(study: Study, resolve: Resolve = resolve_base, chosen: Chosen = UNTUNED) -> Plan:
    """Every trial of the study's design, with the nuisances chosen. Raises StudyError."""
    trials = tuple(compile_trial(study, point, resolve, chosen) for point in points(study))
    check_effects(study)
    return Plan(study, trials, chosen)


def check_corpora(plan: Plan) -> None:
    """Build every corpus once. Raises StudyError where one cannot give what its runs ask of it."""
    for config in {_data_of(trial.config) for trial in plan.trials}:
        try:
            with blamed(config.corpus.domain.kind):
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
    return _Data(run.corpus, run.stand_in, run.evaluate.composed, composes(run), skewed)


def _check_corpus(asked: _Data) -> None:
    """Raises ValueError."""
    corpus = build_corpus(asked.corpus)
    _check_told(corpus)
    if asked.composed:
        compositions(asked.corpus, asked.split, asked.composed)
    if asked.composes:
        composed_cases(asked.corpus, "acquisition")
    if asked.skewed is not None:
        skew, seed, count = asked.skewed
        for program in corpus.split(asked.split):
            demonstration_inputs(program, asked.corpus.data_seed, seed, skew, count)


def _check_told(corpus: Corpus) -> None:
    """Raises StudyError where a program has no instruction in the representation asked for."""
    domain, representation = corpus.domain, corpus.config.representation
    for program in (*corpus.target, *corpus.validation, *corpus.acquisition):
        for phrasing in range(domain.phrasings[representation]):
            try:
                with blamed(corpus.config.domain.kind):
                    domain.instruction(program.draft, program.name, representation, phrasing)
            except FailedDomain:  # its package is at fault, whatever the representation
                raise
            except ValueError as error:
                raise StudyError(
                    f"{program.draft.own or program.name} ({program.split}) cannot be told as "
                    f"{representation}: {error}; choose another representation, or leave it out"
                ) from error


def compile_trial(
    study: Study,
    factors: Mapping[str, Scalar],
    resolve: Resolve = resolve_base,
    chosen: Chosen = UNTUNED,
) -> Trial:
    """Factors and proposed nuisances (dotted paths into `train`) -> the chain that gives the run.

    Raises StudyError for a model not at hand, or where the factors are no valid run.
    """
    config = run_config(study, factors, chosen)
    try:
        base = resolve(config.model)
    except ValueError as error:
        raise StudyError(f"study {study.name!r}: {error}") from error
    try:
        chain = _chained(compile_run(config, base))
    except ValidationError as error:
        reason = error.errors(include_url=False)[0]["msg"]
        raise StudyError(f"study {study.name!r}: {reason}") from error
    trained = [planned.fingerprint for planned in chain if not planned.is_evaluation]
    return Trial(
        id=fingerprint(config, parent=chain[-1].fingerprint),
        run=trained[-1] if trained else chain[-1].fingerprint,
        factors={name: factors[name] for name in ENUMERATION_ORDER},
        nuisances=proposed_nuisances(factors),
        tuned=tuned_values(factors, chosen),
        config=config,
        chain=chain,
    )


def tuning_trials(
    study: Study, nuisances: Mapping[str, float], resolve: Resolve = resolve_base
) -> tuple[Trial, ...]:
    """One proposal of the design tpe: a trial a seed, evaluated on validation programs."""
    return tuple(compile_trial(study, point, resolve) for point in tuning_points(study, nuisances))


def _chained(stages: tuple[Stage, ...]) -> tuple[PlannedStage, ...]:
    """stages: of `pbb.curricula.compile_run`."""
    chain: list[PlannedStage] = []
    models: list[str | None] = [None]
    """The base, and what each training stage leaves."""
    for stage in stages:
        parent = models[stage.stage] if isinstance(stage, EvaluateStage) else models[-1]
        planned = PlannedStage(fingerprint(stage, parent=parent), parent, stage)
        chain.append(planned)
        if not planned.is_evaluation:
            models.append(planned.fingerprint)
    return tuple(chain)
