"""What must hold between a study's claims and its factors: a claim is about cells that are run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from pbb.config import DEMONSTRATED_ARMS, INSTRUCTED_ARMS, REVEALING_ARMS
from search_spaces.claims import (
    OF_TRAINING,
    Claim,
    Difference,
    Interaction,
    Rate,
    RateTrend,
    Trend,
    Value,
    cells_of,
    coded,
    sides,
)
from search_spaces.errors import at_key
from search_spaces.factors import REPLAYING, RETROACTIVE, FactorGrid, Scalar, levels
from search_spaces.settings import Headline, Primary

Levels = Mapping[str, tuple[Scalar, ...]]
"""Factor -> its values in one grid, the response format among them."""

DEMONSTRATION_FACTORS: Final = frozenset({"demonstrations", "demonstration_format", "skew"})
UNVARIED: Final = frozenset({"split"})
"""What cells differ in without being trained apart: no grid lists it."""

LEAST_VALUES: Final = 2
"""A trend's factor takes so many values at least."""


def check_claims(
    claims: Sequence[Claim],
    grids: Sequence[FactorGrid],
    domain_paths: int | None,
    headline: Headline,
    primary: Primary | None,
) -> None:
    """Raises a validation error at the key of the first claim that this study cannot test."""
    spaces = [_levels(grid, domain_paths) for grid in grids]
    _check_primary(claims, primary)
    for index, claim in enumerate(claims):
        at = f"claims.{index}"
        for key, cell in cells_of(claim).items():
            for name, value in _factors(cell.named()).items():
                _check_value(f"{at}.{key}.{name}", name, value, spaces)
        match claim:
            case Difference() | Interaction():
                _check_sides(at, claim, spaces)
            case Trend():
                _check_run(f"{at}.where", claim.where.named(), spaces)
                _check_along(at, claim, spaces)
            case Rate() | RateTrend():
                _check_pair(at, claim, claim.pair or headline, spaces)
                if isinstance(claim, RateTrend):
                    _check_along(at, claim, spaces)


def _levels(grid: FactorGrid, domain_paths: int | None) -> Levels:
    """Factor -> its values, as claims name factors."""
    settings = {f"domain_{name}": values for name, values in grid.domain.items()}
    formats = {"response_format": grid.response_format}
    executions = tuple("all" if n is None else n for n in grid.acquisition_demonstrations)
    known = {**levels(grid, domain_paths), **settings, **formats}
    return {**known, "acquisition_demonstrations": executions}


def _check_primary(claims: Sequence[Claim], primary: Primary | None) -> None:
    marked = [index for index, claim in enumerate(claims) if claim.primary]
    if len(marked) > 1:
        raise at_key(
            f"claims.{marked[1]}.primary",
            f"claim {marked[0] + 1} is the primary one already; one contrast is declared in "
            "advance, so mark one claim",
        )
    if not marked or primary is None:
        return
    claim = claims[marked[0]]
    declared = {"model": primary.model, "curriculum": primary.curriculum}
    if not (isinstance(claim, Rate) and declared.items() <= claim.where.named().items()):
        raise at_key(
            f"claims.{marked[0]}.primary",
            "the section 'primary' declares another contrast: the rate of "
            f"{primary.model}, {primary.curriculum}. Name both under this claim's where (kind "
            "rate), or remove that section",
        )


def _factors(named: Mapping[str, Value]) -> dict[str, Value]:
    return {name: value for name, value in named.items() if name not in UNVARIED}


def _check_value(key: str, name: str, value: Value, spaces: Sequence[Levels]) -> None:
    if _holding({name: value}, spaces):
        return
    known = sorted({str(v) for space in spaces for v in space.get(name, ()) if v is not None})
    if (name, value) == ("demonstrations", 0):
        raise at_key(key, "n = 0 is the arm 'none'; name that instead")
    raise at_key(
        key,
        f"{value!r} is not among factors.{name} ({', '.join(known)}); add it there, or "
        "change the claim",
    )


def _check_sides(at: str, claim: Difference | Interaction, spaces: Sequence[Levels]) -> None:
    """Each side is run, differs from the others, and names what the others name."""
    found = [named for named, _ in sides(claim)]
    if len({tuple(sorted(named.items())) for named in found}) < len(found):
        raise at_key(at, "its sides are the same cells; name what differs between them")
    for named in found:
        _check_run(at, named, spaces)
    for named in found:
        for name in {name for other in found for name in other} - named.keys():
            if _applies(name, named):
                raise at_key(
                    at,
                    f"{name!r} is named on one side alone; name it on the other, or under where",
                )


def _applies(name: str, named: Mapping[str, Value]) -> bool:
    """Whether a factor can tell apart cells that have these values."""
    if name in DEMONSTRATION_FACTORS:
        return named.get("arm") in (None, *DEMONSTRATED_ARMS)
    if name in ("replay", "replay_source"):
        return _repeats(name, named)
    if named.get("curriculum") == "none":
        return name not in OF_TRAINING
    return not (named.get("curriculum") == "no-acquisition" and name == "acquisition")


def _repeats(name: str, named: Mapping[str, Value]) -> bool:
    """Whether a run with these values may have something beside target documents to repeat."""
    replaying = REPLAYING | RETROACTIVE if name == "replay" else REPLAYING
    arms = REVEALING_ARMS if name == "replay" else REVEALING_ARMS | {"none"}
    return named.get("curriculum") in (None, *replaying) and named.get("arm") in (None, *arms)


def _check_run(at: str, named: Mapping[str, Value], spaces: Sequence[Levels]) -> None:
    if not _possible(named):
        raise at_key(at, f"no run is {_told(named)}; claim something that can be run")
    if not _holding(named, spaces):
        raise at_key(at, f"no run of this study is {_told(named)}; add it to the factors")
    idle = [
        name for name in sorted(DEMONSTRATION_FACTORS & named.keys()) if not _applies(name, named)
    ]
    if idle:
        raise at_key(at, f"{idle[0]!r} does not apply to arm {named['arm']!r}; remove it")


def _possible(named: Mapping[str, Value]) -> bool:
    """Whether arm, curriculum and response format can go together (see pbb.curricula)."""
    arm = named.get("arm")
    if named.get("curriculum") == "none" and arm not in (None, "none", "in_context"):
        return False
    return named.get("response_format") != "recite" or arm in (None, *INSTRUCTED_ARMS)


def _told(named: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items())


def _holding(named: Mapping[str, Value], spaces: Iterable[Levels]) -> list[Levels]:
    """Grids in which every value occurs; within a grid values are crossed."""
    return [
        space
        for space in spaces
        if all(
            coded(value) in map(coded, space.get(name, ()))
            for name, value in _factors(named).items()
        )
    ]


def _check_along(at: str, claim: Trend | RateTrend, spaces: Sequence[Levels]) -> None:
    name = claim.along
    if name in claim.where.named():
        raise at_key(f"{at}.where.{name}", "the trend is along this factor, so it cannot be held")
    holding = _holding(claim.where.named(), spaces)
    values = {value for space in holding for value in space.get(name, ())} - {0, None, "all"}
    if len(values) < LEAST_VALUES:
        raise at_key(
            f"{at}.along",
            f"{name!r} takes {len(values)} value(s) there; a trend needs {LEAST_VALUES} or more",
        )


def _check_pair(at: str, claim: Rate | RateTrend, pair: Headline, spaces: Sequence[Levels]) -> None:
    """Both sides of the rate are run, in the formats compared."""
    where = claim.where.named()
    curve = {"arm": "demonstrations", "demonstration_format": pair.demonstration_format}
    for named in (
        {"arm": "instruction", "response_format": pair.instruction},
        {**curve, "response_format": pair.demonstrations},
    ):
        shared = {name: value for name, value in where.items() if _applies(name, named)}
        _check_run(at, shared | named, spaces)
