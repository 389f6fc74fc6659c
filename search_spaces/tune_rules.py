"""What must hold between the section `tune` and the rest of a study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

from pydantic import ValidationError

from pbb.config import TrainConfig
from search_spaces.errors import at_key
from search_spaces.factors import FactorGrid
from search_spaces.nuisances import with_nuisances
from search_spaces.rules import check_nuisances
from search_spaces.settings import GridSearch, Range, SampledSearch, TpeSearch, Tune


def check_tune(
    tune: Tune,
    search: GridSearch | SampledSearch | TpeSearch,
    grids: Sequence[FactorGrid],
    train: TrainConfig,
    nuisances: Mapping[str, float | Range],
) -> None:
    """Raises a validation error at the key that is wrong."""
    if isinstance(search, TpeSearch):
        raise at_key(
            "tune",
            "the design tpe is itself a tuning, and measures nothing; remove one of the two",
        )
    for path in tune.nuisances:
        if path in nuisances:
            raise at_key(
                f"tune.nuisances.{path}", "has a value under nuisances; remove one of the two"
            )
    measured = {seed for grid in grids for seed in grid.seed}
    for seed in tune.seeds:
        if seed in measured:
            raise at_key(
                "tune.seeds",
                f"{seed} is a seed of the runs that are measured (factors.seed), which must be "
                "fresh; take another",
            )
    check_nuisances(train, tune.nuisances, "tune.nuisances")
    _check_together(tune, train, nuisances)


def _check_together(tune: Tune, train: TrainConfig, nuisances: Mapping[str, float | Range]) -> None:
    """Ends that are valid one by one may contradict each other, or what is fixed."""
    fixed = {path: value for path, value in nuisances.items() if not isinstance(value, Range)}
    ends = [(each.low, each.high) for each in tune.nuisances.values()]
    for values in product(*ends):
        proposed = dict(zip(tune.nuisances, values, strict=True))
        try:
            with_nuisances(train, {**fixed, **proposed})
        except ValidationError as error:
            told = ", ".join(f"{path} = {value:g}" for path, value in proposed.items())
            reason = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
            raise at_key("tune.nuisances", f"{told}: {reason}") from error
