"""What must hold between the parts of a study file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final, get_args

from pydantic import ValidationError

from pbb.config import (
    DEMONSTRATED_ARMS,
    INSTRUCTED_ARMS,
    Curriculum,
    ReinforcingStage,
    TrainConfig,
    WrittenStage,
    unfit_stages,
)
from pbb.domains.domain import DomainConfig
from pbb.domains.registry import domain_of
from search_spaces.errors import at_key
from search_spaces.factors import ENUMERATION_ORDER, FactorGrid, size
from search_spaces.nuisances import NuisancePathError, with_nuisances
from search_spaces.settings import (
    GridSearch,
    Headline,
    Primary,
    Range,
    Resources,
    SampledSearch,
    TpeSearch,
)

MOST_POINTS: Final = 200_000

SCORED_TOGETHER: Final = frozenset({"arm", "lora_rank", "response_format", "seed"})
"""Factors of which tpe may be given several values: a proposal's score is the mean over them."""

SCORED_ARMS: Final = frozenset({"instruction", *DEMONSTRATED_ARMS})
"""Arms whose score says how well they were taught."""


def check_size(grids: Sequence[FactorGrid]) -> None:
    """A few lists multiply to more points than can be listed, let alone run."""
    points = sum(map(size, grids))
    if points > MOST_POINTS:
        raise at_key(
            "factors",
            f"multiply to {points} points, more than {MOST_POINTS}; list fewer values, or several "
            "grids",
        )


def check_domain(domain: DomainConfig, grids: Sequence[FactorGrid]) -> None:
    """The domain must have the settings, representations and formats that the factors name."""
    settings = sorted(set(type(domain).model_fields) - {"kind", "inputs", "folder", "functions"})
    found = domain_of(domain)
    for grid in grids:
        if grid.paths and "paths" not in settings:
            raise at_key("factors.paths", f"domain {domain.kind!r} has no paths to set; remove it")
        for name, values in grid.domain.items():
            if name not in settings:
                raise at_key(
                    f"factors.domain.{name}",
                    f"domain {domain.kind!r} has no such setting; it has: {', '.join(settings)}",
                )
            for value in values:
                try:
                    type(domain).model_validate({**domain.model_dump(), name: value})
                except ValidationError as error:
                    reason = error.errors(include_url=False)[0]["msg"]
                    raise at_key(f"factors.domain.{name}", f"{value!r}: {reason}") from error
        for told in grid.representation:
            if told not in found.phrasings:
                known = ", ".join(found.phrasings)
                raise at_key(
                    "factors.representation",
                    f"domain {domain.kind!r} is not told in {told!r}; it is in: {known}",
                )
        for asked in grid.response_format:
            if asked not in found.formats:
                known = ", ".join(found.formats)
                raise at_key(
                    "factors.response_format",
                    f"domain {domain.kind!r} is not asked in {asked!r}; it is in: {known}",
                )


def check_search(
    search: GridSearch | SampledSearch | TpeSearch,
    grids: Sequence[FactorGrid],
    nuisances: Mapping[str, float | Range],
) -> None:
    """tpe varies nuisances alone; every other design varies factors alone."""
    ranges = sorted(key for key, value in nuisances.items() if isinstance(value, Range))
    if search.design != "tpe":
        for key in ranges:
            raise at_key(
                f"nuisances.{key}",
                f"a range is searched by the design tpe alone, not by {search.design!r}; "
                "give one value here, or tune in a study of its own",
            )
        return
    if not ranges:
        raise at_key("search.design", "tpe needs a nuisance that is a range {low, high, log}")
    if len(grids) > 1:
        raise at_key("factors", "tpe tunes one setting of the factors; give one grid")
    for arm in grids[0].arm if len(grids[0].arm) > 1 else ():
        if arm not in SCORED_ARMS:
            raise at_key(
                "factors.arm",
                f"{arm!r} is taught nothing right about the programs asked for, so tpe learns "
                f"nothing from its score; list {', '.join(sorted(SCORED_ARMS))} alone",
            )
    settings = {f"domain.{name}": values for name, values in grids[0].domain.items()}
    for name, values in {**dict(grids[0]), "domain": (), **settings}.items():
        if name not in SCORED_TOGETHER and values is not None and len(values) > 1:
            raise at_key(
                f"factors.{name}",
                f"lists {len(values)} values; with the design tpe only "
                f"{', '.join(sorted(SCORED_TOGETHER))} may list several",
            )
    ranks = grids[0].lora_rank
    if 0 in ranks and len(ranks) > 1:
        raise at_key(
            "factors.lora_rank",
            "rank 0 trains all weights, which wants a learning rate of its own; tune it in a study "
            "of its own",
        )


def check_nuisances(
    train: TrainConfig, nuisances: Mapping[str, float | Range], at: str = "nuisances"
) -> None:
    """Both ends of every range, and every value, must make a valid recipe. at: their key."""
    for key, value in nuisances.items():
        if isinstance(value, Range) and key in ENUMERATION_ORDER:
            raise at_key(
                f"{at}.{key}", f"is a factor, which tells cells apart; list it as factors.{key}"
            )
        ends = (value.low, value.high) if isinstance(value, Range) else (value,)
        for end in ends:
            try:
                with_nuisances(train, {key: end})
            except NuisancePathError as error:
                raise at_key(f"{at}.{key}", str(error)) from error
            except ValidationError as error:
                reason = error.errors(include_url=False)[0]["msg"]
                raise at_key(f"{at}.{key}", f"{end}: {reason}") from error


def check_curricula(
    curricula: Mapping[str, tuple[WrittenStage, ...]],
    train: TrainConfig,
    nuisances: Mapping[str, float | Range],
    grids: Sequence[FactorGrid],
) -> None:
    """Every curriculum named is built in or written, and fits the arms it is run with."""
    built_in = get_args(Curriculum)
    for name in curricula:
        if name in built_in:
            raise at_key(f"curricula.{name}", "is built in; choose another name")
    for index, grid in enumerate(grids):
        at = f"factors.{index}"
        for name in grid.curriculum:
            if name not in (*built_in, *curricula):
                raise at_key(f"{at}.curriculum", _unknown_curriculum(name, [*built_in, *curricula]))
            if name == "retroactive-rl" and train.rl is None:
                raise at_key(
                    f"{at}.curriculum",
                    f"{name!r} reinforces; add its recipe as train.rl, for instance "
                    "{steps: 40, peak_lr: 1e-3}",
                )
            for arm in grid.arm if name in curricula else ():
                if reason := unfit_stages(curricula[name], arm):
                    raise at_key(f"curricula.{name}", reason)
        _check_replay(at, grid, train, nuisances)


def check_processes(
    resources: Resources,
    curricula: Mapping[str, tuple[WrittenStage, ...]],
    grids: Sequence[FactorGrid],
) -> None:
    """What reinforces samples its answers in one process."""
    if resources.processes_per_worker == 1:
        return
    reinforcing = {"retroactive-rl"} | {
        name
        for name, stages in curricula.items()
        if any(isinstance(stage, ReinforcingStage) for stage in stages)
    }
    for name in sorted({name for grid in grids for name in grid.curriculum} & reinforcing):
        raise at_key(
            "resources.processes_per_worker",
            f"is {resources.processes_per_worker}, but curriculum {name!r} reinforces, which runs "
            "in one process; set 1, or run that curriculum in a study of its own",
        )


def _unknown_curriculum(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
    return f"{name!r} is neither built in nor under curricula; {hint}"


def _check_replay(
    at: str, grid: FactorGrid, train: TrainConfig, nuisances: Mapping[str, float | Range]
) -> None:
    if grid.replay is not None and "replay" in nuisances:
        raise at_key("nuisances.replay", "is a factor of this study; remove one of the two")
    if grid.replay_source is not None and grid.replay is None and train.replay == 0:
        raise at_key(
            f"{at}.replay_source",
            "train.replay = 0 leaves nothing to repeat; raise it, or remove this factor",
        )


def check_headline(
    headline: Headline, primary: Primary | None, grids: Sequence[FactorGrid]
) -> None:
    """What is reported must be measured."""
    formats = {f for grid in grids for f in grid.response_format}
    for key, wanted in (
        ("instruction", headline.instruction),
        ("demonstrations", headline.demonstrations),
    ):
        if wanted not in formats:
            raise at_key(f"headline.{key}", f"{wanted!r} is not among factors.response_format")
    for grid in grids:
        uninstructed = [arm for arm in grid.arm if arm not in INSTRUCTED_ARMS]
        if uninstructed and formats == {"recite"}:
            raise at_key(
                "factors.response_format",
                f"arm {uninstructed[0]!r} saw no instruction to recite; add 'cot' or 'direct'",
            )
    shown = [grid for grid in grids if DEMONSTRATED_ARMS.intersection(grid.arm)]
    wanted_format = headline.demonstration_format
    if shown and not any(wanted_format in grid.demonstration_format for grid in shown):
        raise at_key(
            "headline.demonstration_format",
            f"{wanted_format!r} is not among factors.demonstration_format",
        )
    if primary is None:
        return
    if not any(primary.model in grid.model for grid in grids):
        raise at_key("primary.model", f"{primary.model!r} is not among factors.model")
    if not any(primary.curriculum in grid.curriculum for grid in grids):
        raise at_key(
            "primary.curriculum", f"{primary.curriculum!r} is not among factors.curriculum"
        )
