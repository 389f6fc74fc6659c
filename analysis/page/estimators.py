"""The same comparison by every estimator, as rows of one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.advantage import Advantage
from analysis.exchange import ExchangeRate
from analysis.mixed import MixedRate
from analysis.per_program import ProgramRates
from analysis.potency import Potency
from analysis.results import Result
from analysis.sentences import interval_cell, number, percent, rate_cell
from analysis.tokens import TokenRate


@dataclass(frozen=True)
class EstimateRow:
    """One estimator: what it estimates, its value and interval as shown, and what to know."""

    name: str
    value: str
    interval: str
    note: str


def estimate_rows(result: Result) -> tuple[EstimateRow, ...]:
    """The primary estimate first; those without a value say why. Nothing without programs."""
    if not result.contest.n_programs:
        return ()
    rows = list(_rates(result))
    if result.tokens is not None and result.rate.state != "not_comparable":
        rows.append(_tokens(result.rate, result.tokens))
    if result.per_program is not None:
        rows += _per_program(result.per_program)
    if result.potency is not None:
        rows += _parametric(result.potency)
    if result.advantage is not None:
        rows.append(_advantage(result.advantage))
    if result.potency is not None and result.contest.both:
        rows.append(_potency(result.potency))
    return tuple(rows)


def _rates(result: Result) -> Iterator[EstimateRow]:
    rate, check = result.rate, result.bootstrap
    if rate.state == "not_comparable":
        yield EstimateRow("rate (primary)", "–", "–", rate.reason)
        return
    how = "centred isotonic regression; interval by test inversion"
    yield EstimateRow("rate (primary)", rate_cell(rate), interval_cell(rate), how)
    how = "the same; interval by hierarchical bootstrap"
    yield EstimateRow("rate (cross-check)", rate_cell(check), interval_cell(check), how)


def _tokens(rate: ExchangeRate, found: TokenRate) -> EstimateRow:
    """Limits are open where those of the rate are."""
    if found.rate is not None:
        value = number(found.rate)
    else:
        value = f"{'>' if rate.state == 'right_censored' else '<'} {number(found.bound or 0)}"
    between = "–" if rate.mass_below is None else _between(found.ci_low, found.ci_high)
    note = (
        f"tokens of demonstrations per token of instruction: one demonstration has "
        f"{number(found.tokens_per_demonstration)} tokens, one instruction "
        f"{number(found.tokens_per_instruction)}"
    )
    return EstimateRow("rate in tokens", value, between, note)


def _per_program(found: ProgramRates) -> Iterator[EstimateRow]:
    silent = (
        f"; {found.n_silent} of {found.n_programs + found.n_silent} programs, at floor or ceiling "
        "throughout, say nothing"
        if found.n_silent
        else ""
    )
    state = {"left_censored": "below the smallest n", "right_censored": "above the largest n"}
    shown = state.get(found.median_state, "–")
    value = shown if found.median is None else number(found.median)
    between = _between(found.median_low, found.median_high)
    note = f"Turnbull over programs; the interval is the bracket that holds the median{silent}"
    yield EstimateRow("median program’s rate", value, between, note)
    if found.above_largest is not None and found.below_smallest is not None:
        note = f"and {percent(found.below_smallest)} below the smallest"
        value = percent(found.above_largest)
        yield EstimateRow("programs above the largest n", value, "–", note)


def _parametric(found: Potency) -> Iterator[EstimateRow]:
    note = found.rate_reason or "four-parameter logistic curve; never beyond the n that were run"
    value = "–" if found.rate_4pl is None else number(found.rate_4pl)
    between = _between(found.rate_low, found.rate_high) if found.rate_4pl is not None else "–"
    yield EstimateRow("rate (parametric)", value, between, note)


def _potency(found: Potency) -> EstimateRow:
    name = "relative potency beside the instruction"
    if not found.offered or found.potency is None:
        return EstimateRow(name, "–", "–", found.reason)
    parallel = ""
    if found.parallelism is not None:
        limits = _between(found.parallelism_low, found.parallelism_high)
        parallel = (
            f"; ratio of slopes {number(found.parallelism)} (90% limits {limits}, "
            f"allowed 1/{found.margin:g} to {found.margin:g})"
        )
    note = f"demonstrations alone per demonstration with the instruction, Fieller limits{parallel}"
    return EstimateRow(name, number(found.potency), _between(found.ci_low, found.ci_high), note)


def _advantage(found: Advantage) -> EstimateRow:
    name = "average advantage"
    if found.value is None:
        return EstimateRow(name, "–", "–", found.reason)
    window = ""
    if found.window is not None:
        low, high = found.window
        window = f", over accuracies {percent(low)} to {percent(high)}"
    note = f"demonstrations saved (Le Scao & Rush 2021, with means instead of maxima){window}"
    if found.reason:
        note += f"; {found.reason}"
    between = "–" if found.low is None and found.high is None else _between(found.low, found.high)
    return EstimateRow(name, number(found.value), between, note)


@dataclass(frozen=True)
class MixedRow:
    """The instruction beside n demonstrations: what it adds, and what it makes each of them."""

    n: int
    added: str
    added_interval: str
    times: str
    times_interval: str
    note: str


def mixed_row(found: MixedRate) -> MixedRow:
    """A bound where the accuracy lies beyond the n of the demonstrations arm."""
    added = times = "–"
    if found.additive_low is not None or found.additive_high is not None:
        added = _between(found.additive_low, found.additive_high)
        times = _between(found.multiplier_low, found.multiplier_high)
    if found.additive is not None and found.multiplier is not None:
        values = number(found.additive), number(found.multiplier)
        return MixedRow(found.n, values[0], added, values[1], times, found.reason)
    sign = {"right_censored": ">", "left_censored": "<"}.get(found.state)
    if sign is None or found.bound is None:
        return MixedRow(found.n, "–", "–", "–", "–", found.reason)
    bounds = f"{sign} {number(found.bound - found.n)}", f"{sign} {number(found.bound / found.n)}"
    return MixedRow(found.n, bounds[0], added, bounds[1], times, found.reason)


def _between(low: float | None, high: float | None) -> str:
    shown = ("open" if end is None else number(end) for end in (low, high))
    return " to ".join(shown)
