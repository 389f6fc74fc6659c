"""Which edits of a study file extend the study: its runs stay what they are, and more are added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import ValidationError

from pbb.config import Base
from search_spaces.errors import StudyError
from search_spaces.groups import Chosen, Group
from search_spaces.settings import TpeSearch
from search_spaces.study_file import Study
from search_spaces.tuning import ANY_BASE, groups, paths_of, tuning_study
from study.identity import canonical_json
from study.plan import Resolve, make_plan
from study.rows import remaining_factors

READ_BY_ANALYSIS: Final = frozenset({"question", "headline", "primary", "claims"})
"""Keys that no run depends on. They may change after results are in, and the manifest says so."""
HOW_IT_RUNS: Final = frozenset({"resources"})
"""Keys that are no part of what a study is."""

SHOWN: Final = 6
"""So many differences are told, each with so many characters of a value."""
SHOWN_CHARACTERS: Final = 60


def changed_keys(before: Study, after: Study) -> list[str]:
    """Top-level keys that differ."""
    return [key for key in Study.model_fields if getattr(before, key) != getattr(after, key)]


def refusal(before: Study, after: Study, resolve: Resolve) -> str | None:
    """Why results of `before` cannot stay under `after`; null where they can.

    They can where every run of `before` is a run of `after`, with the same stages and the same
    labels in its rows, and where what was tuned would be tuned in the same way. So launching
    `before` and then `after` leaves the rows that `after` alone would. Raises StudyError where
    `after` is no study that can be planned.
    """
    fixed = [
        key for key in changed_keys(before, after) if key not in READ_BY_ANALYSIS | HOW_IT_RUNS
    ]
    if not fixed or _extends(before, after, resolve):
        return None
    blamed = [key for key in fixed if not _extends_by(before, after, key, resolve)] or fixed
    old, new = (study.model_dump(mode="json", include=set(blamed)) for study in (before, after))
    told = [f"{path}: {_short(was)} -> {_short(is_)}" for path, was, is_ in _differences(old, new)]
    more = [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    return "; ".join(told[:SHOWN] + more)


def _extends(before: Study, after: Study, resolve: Resolve) -> bool:
    if isinstance(before.search, TpeSearch) or isinstance(after.search, TpeSearch):
        return False  # each proposal follows from all before it, and from the budget
    tuned = groups(before)
    if not set(tuned) <= set(groups(after)):
        return False
    if any(_search(before, group) != _search(after, group) for group in tuned):
        return False
    # As if all had been tuned, new groups to other values: a run that would take theirs is seen.
    old = {group: _values(before, group, "low") for group in tuned}
    new = {group: _values(after, group, "high") for group in groups(after)} | old
    return _labels(before, after, resolve, old) <= _labels(after, after, resolve, new)


def _extends_by(before: Study, after: Study, key: str, resolve: Resolve) -> bool:
    """Whether this one of the edits would do; an edit that makes no sense alone is to blame."""
    data = {**before.model_dump(exclude_unset=True), key: after.model_dump(exclude_unset=True)[key]}
    try:
        return _extends(before, Study.model_validate(data), resolve)
    except (KeyError, ValidationError, StudyError):
        return False


def _search(study: Study, group: Group) -> dict[str, Any]:
    """What a group's proposals follow from."""
    return tuning_study(study, group).model_dump(exclude=set(READ_BY_ANALYSIS | HOW_IT_RUNS))


def _values(study: Study, group: Group, end: Literal["low", "high"]) -> dict[str, float]:
    """An end of the range of everything that is tuned for a group."""
    assert study.tune is not None, "only a study that tunes has groups"
    return {path: getattr(each, end) for path, each in paths_of(study.tune, group).items()}


def _labels(study: Study, after: Study, resolve: Resolve, chosen: Chosen) -> set[str]:
    """What each run of a study is, and how its rows are labelled."""
    models = {name for grid in after.factors for name in grid.model}

    def known(name: str) -> Base:
        return resolve(name) if name in models else ANY_BASE  # its runs are gone, whatever it is

    return {
        canonical_json([study.name, each.id, each.factors, remaining_factors(each)])
        for each in make_plan(study, known, chosen).trials
    }


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted path, old value and new value of each leaf that differs; null where there is none."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys([*before, *after]):
            below = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key), after.get(key), below)
    elif path == "factors" and len(before) == len(after) == 1:
        yield from _differences(before[0], after[0], path)
    elif path == "factors":
        yield from _differences(dict(enumerate(before)), dict(enumerate(after)), path)
    elif before != after:
        yield path, before, after


def _short(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
