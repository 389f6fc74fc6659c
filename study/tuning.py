"""What tuning found: proposals of nuisances by their mean validation accuracy."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any


def best_proposals(trials: Iterable[Mapping[str, Any]], most: int = 3) -> list[tuple[str, str]]:
    """The best few as (nuisances, accuracy and seeds) in words, best first.

    trials: rows of `trials.parquet`. A run that gave no accuracy, as one that diverged, counts 0.
    """
    scores: dict[str, list[float]] = defaultdict(list)
    for row in trials:
        scores[row["nuisances"]].append(row["accuracy"] or 0.0)
    ranked = sorted(scores.items(), key=lambda entry: (-sum(entry[1]) / len(entry[1]), entry[0]))
    return [
        (
            ", ".join(f"{name} = {value:.4g}" for name, value in json.loads(text).items()),
            f"{sum(values) / len(values):.1%} on validation programs, {len(values)} seeds",
        )
        for text, values in ranked[:most]
    ]
