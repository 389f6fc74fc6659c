"""Designs: which points of the space a study visits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pbb.seeds import stream
from search_spaces.applicable import grid_points, reduced
from search_spaces.errors import StudyError
from search_spaces.factors import Factors, Scalar, levels
from search_spaces.settings import SampledSearch, TpeSearch
from search_spaces.study_file import Study

SOBOL_LOG2_POINTS = 14
"""Sobol points looked at before what is missing is filled up in the order of enumeration."""


def points(study: Study) -> tuple[Factors, ...]:
    """The distinct points that the study's design visits, in a stable order.

    Empty for tpe, which proposes nuisances while it runs. Raises StudyError for an empty space.
    """
    search = study.search
    if isinstance(search, TpeSearch):
        return ()
    space = enumerate_space(study)
    if not isinstance(search, SampledSearch) or search.budget >= len(space):
        return space
    order = _sobol(study, search) if search.design == "qmc" else _shuffled(space, search)
    chosen: dict[tuple[Scalar, ...], None] = {}
    for point in order:
        chosen.setdefault(tuple(point.values()))
        if len(chosen) == search.budget:
            break
    for point in space:
        if len(chosen) == search.budget:
            break
        chosen.setdefault(tuple(point.values()))
    return tuple(point for point in space if tuple(point.values()) in chosen)


def enumerate_space(study: Study) -> tuple[Factors, ...]:
    """Every distinct point of all grids. Raises StudyError where there is none."""
    found = {
        tuple(point.values()): point for grid in study.grids for point in grid_points(grid, study)
    }
    if not found:
        raise StudyError(
            f"study {study.name!r} holds no run: curriculum 'none' goes with the arms 'none' and "
            "'in_context' alone"
        )
    return tuple(found.values())


def tuning_points(study: Study, nuisances: Mapping[str, float]) -> tuple[Factors, ...]:
    """One proposal of tpe as points, one a seed."""
    return tuple({**point, **nuisances} for point in enumerate_space(study))


def _shuffled(space: Sequence[Factors], search: SampledSearch) -> list[Factors]:
    order = stream("search", search.design, search.seed).permutation(len(space))
    return [space[i] for i in order]


def _sobol(study: Study, search: SampledSearch) -> Iterator[Factors]:
    """Points of a scrambled Sobol sequence over (grid, index of each factor's value)."""
    from scipy.stats import qmc  # takes a second to import, and most studies are grids

    grids = study.grids
    axes = [levels(grid, study.domain_paths) for grid in grids]
    sampler = qmc.Sobol(1 + len(axes[0]), rng=stream("search", search.design, search.seed))
    for unit in sampler.random_base2(SOBOL_LOG2_POINTS):
        which = int(unit[0] * len(axes))
        values = {
            name: choices[int(u * len(choices))]
            for u, (name, choices) in zip(unit[1:], axes[which].items(), strict=True)
        }
        point = reduced(values, grids[which], study)
        if point is not None:
            yield point
