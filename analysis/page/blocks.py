"""Everything the page says of one comparison: figures, controls, other estimators, diagnostics."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.contrasts import Contrast
from analysis.diagnostics import Diagnostics
from analysis.figures.arms import draw_accuracy_by_arm
from analysis.figures.influence import draw_influence, influence_words
from analysis.figures.response import draw_dose_response
from analysis.page.estimators import EstimateRow, MixedRow, estimate_rows, mixed_row
from analysis.page.packs import Packs, Plot
from analysis.palette import NAME
from analysis.results import Result
from analysis.sentences import interval_cell, percent, points, sentence
from analysis.variance import Components


@dataclass(frozen=True)
class ContrastRow:
    """One paired difference, in words and numbers as shown."""

    arm: str
    against: str
    accuracies: str
    difference: str
    interval: str
    meaning: str


@dataclass(frozen=True)
class ComponentRow:
    """One source of variance: its size [logit squared] and its share in comparing two arms."""

    name: str
    variance: str
    share: str
    meaning: str


@dataclass(frozen=True)
class Block:
    """One comparison on the page; figures are null where no program could be compared."""

    label: str
    sentence: str
    curve: Plot | None
    arms: Plot | None
    influence: Plot | None
    contrasts: tuple[ContrastRow, ...]
    estimates: tuple[EstimateRow, ...]
    mixed: tuple[MixedRow, ...]
    checks: tuple[tuple[str, str], ...]
    components: tuple[ComponentRow, ...]
    advice: str


def block(result: Result, label: str, index: int, packs: Packs) -> Block:
    """index: numbers the figures of this comparison."""
    curve = arms = influence = None
    if result.contest.n_programs:
        curve = packs.add(f"dose-response-{index}", draw_dose_response(result))
        arms = packs.add(f"arms-{index}", draw_accuracy_by_arm(result.levels, result.chance))
        found = result.diagnostics
        if found is not None and found.left_out:
            influence = packs.add(f"influence-{index}", draw_influence(result, found))
    return Block(
        label=label,
        sentence=sentence(result, label),
        curve=curve,
        arms=arms,
        influence=influence,
        contrasts=tuple(_contrast(each) for each in result.contrasts),
        estimates=estimate_rows(result),
        mixed=tuple(mixed_row(each) for each in result.mixed),
        checks=tuple(_checks(result)),
        components=_components(result.components) if result.components else (),
        advice=result.components.advice if result.components else "",
    )


def _contrast(each: Contrast) -> ContrastRow:
    between = "–"
    if each.ci_low is not None and each.ci_high is not None:
        between = f"{points(each.ci_low)} to {points(each.ci_high)}"
    return ContrastRow(
        arm=f"{NAME[each.arm]} ({each.format})",
        against=f"{NAME[each.against]} ({each.against_format})",
        accuracies=f"{percent(each.accuracy)} − {percent(each.against_accuracy)}",
        difference=points(each.difference),
        interval=between,
        meaning=each.meaning,
    )


def _components(found: Components) -> tuple[ComponentRow, ...]:
    """What cancels between arms has no share."""
    parts = found.contrast_parts(found.programs, found.seeds, found.items)
    whole = sum(parts.values())
    rows = (
        ("programs", found.program, "", "what makes a program easy in every arm; cancels"),
        ("stage 1", found.stage1, "", "luck that all arms of a stage 1 share; cancels"),
        ("programs by arm", found.interaction, "programs", "easy in one arm alone"),
        ("runs", found.run, "runs", "a single training run’s luck"),
        ("runs by program", found.cell, "runs by program", "what one run made of one program"),
        ("items", found.item, "items", "one answer’s"),
    )
    return tuple(
        ComponentRow(
            name,
            f"{variance:.2f}",
            percent(parts[part] / whole) if part and whole else "–",
            meaning,
        )
        for name, variance, part, meaning in rows
    )


def _checks(result: Result) -> list[tuple[str, str]]:
    """Name and finding of every diagnostic."""
    found = result.diagnostics
    checks = []
    if found is not None:
        checks.append(("Does accuracy ever fall with n?", _falls(found)))
        checks.append(("Does it rest on one program or run?", influence_words(found)))
        if found.shifts:
            checks.append(("Are the curves with and without instruction parallel?", _shifts(found)))
    if result.rate.mass_below is not None and result.rate.mass_above is not None:
        below, above = percent(result.rate.mass_below), percent(result.rate.mass_above)
        text = f"{below} of bootstrap draws lie below the smallest n, {above} above the largest."
        checks.append(("Does the data reach far enough?", text))
        primary, check = interval_cell(result.rate), interval_cell(result.bootstrap)
        text = f"Test inversion: {primary}. Hierarchical bootstrap: {check}."
        checks.append(("Do two methods agree on the interval?", text))
    return checks


def _falls(found: Diagnostics) -> str:
    if not found.falls:
        return "No: it rises, or holds, from each n to the next."
    told = []
    for fall in found.falls:
        size = f"{100 * fall.fall:.1f} points from n = {fall.n} to {fall.next_n}"
        if fall.margin is None:
            told.append(size)
        else:
            verdict = "more than noise" if fall.clear else "within noise"
            told.append(f"{size} (± {100 * fall.margin:.1f}, {verdict})")
    return f"Yes: by {'; '.join(told)}. The fit pools such stretches."


def _shifts(found: Diagnostics) -> str:
    told = ", ".join(
        f"{10**each.log10_shift:.2f} at n = {each.n} (residual {each.residual:+.2f} dex)"
        for each in found.shifts
    )
    told = told.replace("-", "−")
    return f"Beside the instruction, n demonstrations are worth n times: {told}."
