"""A study at hand in a notebook: its frames, its figures, and its headline as it is displayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, Final, Literal, get_args

import plotly.graph_objects as go
import polars as pl

from analysis.curves import accuracy_by_split
from analysis.figures import (
    accuracy_by_arm,
    dose_response,
    forest,
    influence,
    learning_curves,
    scaling,
)
from analysis.learning import accuracy_by_step
from analysis.results import Analysis, Result, analyse, contrasts_frame, rates_frame
from analysis.sentences import headline_sentences

FigureName = Literal[
    "dose_response", "accuracy_by_arm", "influence", "forest", "scaling", "learning_curves"
]

VERDICT_SCHEMA: Final[dict[str, pl.DataType]] = {
    "finding": pl.String(),
    "claim": pl.String(),
    "contrast": pl.String(),
    "sign": pl.Int32(),
    "margin": pl.Float64(),
    "unit": pl.String(),
    "estimate": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "verdict": pl.String(),
    "reason": pl.String(),
    "primary": pl.Boolean(),
    "comparisons": pl.Int32(),
}

SHOWN: Final = ("model", "pair", "state", "rate", "bound", "ci_low", "ci_high", "reason")


@dataclass(frozen=True)
class LoadedStudy:
    """A source of item rows, analysed. Columns of the frames: docs/contracts.md.

    analysis: the values behind the frames; figures take them too.
    """

    analysis: Analysis

    @property
    def rates(self) -> pl.DataFrame:
        """One row per comparison and pair of formats: `analysis.results.RATE_SCHEMA`."""
        return rates_frame(self.analysis.results)

    @property
    def contrasts(self) -> pl.DataFrame:
        """Paired differences between arms: `analysis.results.CONTRAST_SCHEMA`."""
        return contrasts_frame(self.analysis.results)

    @property
    def accuracy(self) -> pl.DataFrame:
        """Accuracy of every arm on every split, every program weighing the same; of measures
        beside execution, the mean score."""
        return accuracy_by_split(self.analysis.counts, self.analysis.scores)

    @property
    def verdicts(self) -> pl.DataFrame:
        """What the study says of its claims, one row each: VERDICT_SCHEMA."""
        return pl.DataFrame([asdict(each) for each in self.analysis.verdicts], VERDICT_SCHEMA)

    @property
    def items(self) -> pl.LazyFrame:
        """Item rows of each run's last step: `pbb.records.ITEM_SCHEMA`; read when collected."""
        return self.analysis.items

    def figure(self, name: FigureName = "dose_response", row: int = 0) -> go.Figure:
        """A figure of the report.

        row: which row of `rates` it is about; for `scaling`, which trend; the forest and learning
        curves show all. Raises ValueError for another name, for a row that is not there, and where
        there is nothing to draw.
        """
        results = self.analysis.results
        if name == "dose_response":
            return dose_response(_at(results, row, name))
        if name == "accuracy_by_arm":
            result: Result = _at(results, row, name)
            return accuracy_by_arm(result.levels, result.chance)
        if name == "influence":
            return _influence(_at(results, row, name))
        if name == "forest":
            return forest(results)
        if name == "scaling":
            return scaling(_at(self.analysis.trends, row, name))
        if name == "learning_curves":
            return _learning(self.analysis.history)
        raise ValueError(f"no figure {name!r}; there are: {', '.join(get_args(FigureName))}")

    def _repr_html_(self) -> str:
        """The headline, and the rates in short."""
        told = "".join(f"<p>{escape(line)}</p>" for line in self._sentences)
        return told + self.rates.select(SHOWN)._repr_html_()

    def __repr__(self) -> str:
        return "\n".join(self._sentences)

    @property
    def _sentences(self) -> list[str]:
        return headline_sentences(self.analysis.results)


def load_study(path: str | Path) -> LoadedStudy:
    """A study folder, or a Parquet or CSV file of item rows from anywhere.

    Raises BadInput where it cannot be read; the message says what is wrong and the way out.
    """
    return LoadedStudy(analyse(Path(path).expanduser()))


def _at(found: Sequence[Any], row: int, name: str) -> Any:
    if not -len(found) <= row < len(found):
        raise ValueError(f"figure {name!r}: {row=}, but there are {len(found)} to draw")
    return found[row]


def _influence(result: Result) -> go.Figure:
    if result.diagnostics is None:
        raise ValueError(f"figure 'influence': {result.rate.reason}")
    return influence(result, result.diagnostics)


def _learning(history: pl.DataFrame | None) -> go.Figure:
    if history is None:
        raise ValueError("figure 'learning_curves': only the last step of every run is known")
    return learning_curves(accuracy_by_step(history))
