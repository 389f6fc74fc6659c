"""From a source of item rows to results: rates and contrasts, as values, frames and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from analysis.advantage import Advantage, average_advantage
from analysis.chance import with_chance
from analysis.claims import Verdict, read_claims, verdicts
from analysis.comparison import Contest, Pair, contests
from analysis.contrasts import Contrast, LevelSummary, summaries
from analysis.contrasts import contrasts as contrasts_of
from analysis.covariance import Uncertainty, uncertainty
from analysis.curves import Array, split_cells, target_cells
from analysis.diagnostics import Diagnostics, diagnose
from analysis.exchange import ExchangeRate, cross_check, estimate, log_rates
from analysis.forgetting import Retention, retention
from analysis.formats import FormatGap, format_gaps
from analysis.intervals import DRAWS, bootstrap_means
from analysis.knowledge import Knowledge, knowledge
from analysis.load import load
from analysis.mixed import MixedRate, mixed_rates
from analysis.per_program import ProgramRates, program_rates
from analysis.potency import Potency, potency
from analysis.power import evaluation_share
from analysis.scaling import Trend, trends
from analysis.study_folder import StudyNotes, read_notes
from analysis.tokens import TokenRate, lengths_of, read_lengths, token_rate
from analysis.variance import EVALUATION_SHARE, Components, components
from search_spaces.claims import splits

FACTOR_SCHEMA: Final[dict[str, pl.DataType]] = {
    "study": pl.String(),
    "model": pl.String(),
    "n_params": pl.Int64(),
    "curriculum": pl.String(),
    "lora_rank": pl.Int32(),
    "representation": pl.String(),
    "domain": pl.String(),
    "acquisition": pl.Int32(),
    "templates": pl.Int32(),
    "factors": pl.String(),
    "instruction_format": pl.String(),
    "response_format": pl.String(),
    "demonstration_format": pl.String(),
    "pair": pl.String(),
    "headline": pl.Boolean(),
}
"""Columns that say what a row is about; response_format is the demonstrations arm's."""

RATE_SCHEMA: Final[dict[str, pl.DataType]] = FACTOR_SCHEMA | {
    "state": pl.String(),
    "rate": pl.Float64(),
    "bound": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "mass_below": pl.Float64(),
    "mass_above": pl.Float64(),
    "accuracy_instruction": pl.Float64(),
    "accuracy_none": pl.Float64(),
    "chance": pl.Float64(),
    "n_smallest": pl.Int32(),
    "n_largest": pl.Int32(),
    "n_programs": pl.Int32(),
    "n_runs": pl.Int32(),
    "n_stage1_seeds": pl.Int32(),
    "reason": pl.String(),
}

CONTRAST_SCHEMA: Final[dict[str, pl.DataType]] = FACTOR_SCHEMA | {
    "arm": pl.String(),
    "against": pl.String(),
    "meaning": pl.String(),
    "format": pl.String(),
    "against_format": pl.String(),
    "accuracy": pl.Float64(),
    "against_accuracy": pl.Float64(),
    "difference": pl.Float64(),
    "ci_low": pl.Float64(),
    "ci_high": pl.Float64(),
    "n_programs": pl.Int32(),
    "n_runs": pl.Int32(),
}


@dataclass(frozen=True)
class Result:
    """One comparison under one pair of formats: its rate, and everything to read beside it.

    bootstrap: the cross-check of `rate`. diagnostics: null where nothing can be compared.
    """

    contest: Contest
    headline: bool
    rate: ExchangeRate
    bootstrap: ExchangeRate
    levels: tuple[LevelSummary, ...]
    contrasts: tuple[Contrast, ...]
    diagnostics: Diagnostics | None = None
    components: Components | None = None
    potency: Potency | None = None
    advantage: Advantage | None = None
    per_program: ProgramRates | None = None
    mixed: tuple[MixedRate, ...] = ()
    tokens: TokenRate | None = None

    @property
    def chance(self) -> float | None:
        """What a guess gets of the comparison's programs; null where that is not known."""
        guess = self.contest.chance
        return guess.mean if guess is not None and self.contest.n_programs else None


@dataclass(frozen=True)
class Analysis:
    """A source analysed; items are lazy and conform to `pbb.records.ITEM_SCHEMA`.

    counts, scores, history: as `load.Evidence` has them; no history where only last steps are
    known. knowledge, formats: on targets. retention: on acquisition programs.
    """

    items: pl.LazyFrame
    counts: pl.DataFrame
    scores: pl.DataFrame
    notes: StudyNotes
    results: tuple[Result, ...]
    verdicts: tuple[Verdict, ...] = ()
    trends: tuple[Trend, ...] = ()
    history: pl.DataFrame | None = None
    knowledge: tuple[Knowledge, ...] = ()
    formats: tuple[FormatGap, ...] = ()
    retention: tuple[Retention, ...] = ()


def analyse(source: Path) -> Analysis:
    """Raises BadInput where the source or a file of the study folder cannot be read."""
    notes = read_notes(source)
    claims = read_claims(source)
    lengths = read_lengths(source)
    share = evaluation_share(source)
    evidence = load(source)
    counts = evidence.counts
    cells = target_cells(counts)
    formats = tuple(format_gaps(cells))
    results = tuple(
        whole_result(each, notes.headline, lengths, share)
        for each in with_chance(contests(cells, notes.headline), evidence.scores)
    )
    rated = [(each.contest, each.rate) for each in results]
    for split in sorted({split for claim in claims for split in splits(claim)} - {"target"}):
        cells += split_cells(counts, split)
    return Analysis(
        evidence.items,
        counts,
        evidence.scores,
        notes,
        results,
        verdicts(cells, claims, rated, notes.headline),
        trends([each.contest for each in results]),
        evidence.history,
        tuple(k for k in knowledge(counts, evidence.scores, evidence.joint) if k.split == "target"),
        formats,
        tuple(retention(evidence.history)),
    )


def result_of(contest: Contest, headline: Pair, draws: int = DRAWS) -> Result:
    """Rate, cross-check, level summaries and contrasts of one contest."""
    known, means = _noise(contest, draws)
    return _result(contest, headline, known, means)


def _noise(contest: Contest, draws: int) -> tuple[Uncertainty | None, Array | None]:
    """Covariances and bootstrap draws of the level means; null below two programs."""
    if contest.n_programs < 2:
        return None, None
    return uncertainty(contest.levels), bootstrap_means(contest.levels, draws=draws)


def _result(
    contest: Contest, headline: Pair, known: Uncertainty | None, means: Array | None
) -> Result:
    rates = None if means is None else log_rates(contest, means)
    return Result(
        contest,
        contest.pair == headline,
        estimate(contest, known, rates),
        cross_check(contest, rates),
        tuple(summaries(contest, known)),
        tuple(contrasts_of(contest, known)),
    )


def whole_result(
    contest: Contest,
    headline: Pair,
    lengths: pl.DataFrame | None = None,
    share: float = EVALUATION_SHARE,
    draws: int = DRAWS,
) -> Result:
    """`result_of` with every other estimator, diagnostics and variance components.

    lengths: `tokens.read_lengths`. share: of device time that evaluation takes.
    """
    known, means = _noise(contest, draws)
    result = _result(contest, headline, known, means)
    if not contest.n_programs:
        return result
    return replace(
        result,
        diagnostics=diagnose(contest, known) if known is not None else None,
        components=components(contest, share),
        potency=potency(contest, known),
        advantage=average_advantage(contest, means),
        per_program=program_rates(contest),
        mixed=mixed_rates(contest, means),
        tokens=token_rate(result.rate, lengths_of(contest, lengths)),
    )


def exchange_rates(source: Path) -> pl.DataFrame:
    """One row per comparison and pair of formats, columns RATE_SCHEMA; empty without both arms."""
    return rates_frame(analyse(source).results)


def contrasts(source: Path) -> pl.DataFrame:
    """One row per comparison, pair of formats and contrast, columns CONTRAST_SCHEMA."""
    return contrasts_frame(analyse(source).results)


def rates_json(source: Path) -> list[dict[str, Any]]:
    """As `exchange_rates`, ready for JSON: open limits and absent rates are null."""
    rows = exchange_rates(source).to_dicts()
    return [row | {"factors": json_or_text(row["factors"])} for row in rows]


def json_or_text(text: str) -> Any:
    """The factors column parsed; files from elsewhere may hold anything there."""
    try:
        value = json.loads(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value


def rates_frame(results: Sequence[Result]) -> pl.DataFrame:
    """`exchange_rates` of results at hand."""
    return pl.DataFrame([_rate_row(result) for result in results], schema=RATE_SCHEMA)


def contrasts_frame(results: Sequence[Result]) -> pl.DataFrame:
    """`contrasts` of results at hand."""
    rows = [_about(result) | asdict(each) for result in results for each in result.contrasts]
    return pl.DataFrame(rows, schema=CONTRAST_SCHEMA)


def _about(result: Result) -> dict[str, Any]:
    pair = result.contest.pair
    return result.contest.factors | {
        "instruction_format": pair.instruction,
        "response_format": pair.demonstrations,
        "demonstration_format": pair.demonstration_format,
        "pair": pair.label,
        "headline": result.headline,
    }


def _rate_row(result: Result) -> dict[str, Any]:
    contest, rate = result.contest, asdict(result.rate)
    shown, none = contest.demonstrations, contest.at("none")
    notes = (rate["reason"], contest.note)
    known = contest.n_programs > 0
    return (
        _about(result)
        | rate
        | {
            "accuracy_instruction": contest.levels[0].mean if known else None,
            "accuracy_none": none.mean if none and known else None,
            "chance": result.chance,
            "n_smallest": shown[0].n,
            "n_largest": shown[-1].n,
            "n_programs": contest.n_programs,
            "n_runs": contest.n_runs,
            "n_stage1_seeds": len(contest.levels[0].clusters),
            "reason": "; ".join(note for note in notes if note),
        }
    )
