"""Results in words. One sentence per comparison, the same in the terminal and in the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from analysis.comparison import Pair
from analysis.costs import PHASES, Costs
from analysis.curves import COMPARISON
from analysis.exchange import ExchangeRate
from analysis.factors import DOMAIN
from analysis.results import Result, json_or_text
from search_spaces.claims import BY_NAME

SHOWN: Final = {"trace": "traced", "answer": "answer-only"}

NAMES: Final = {
    "lora_rank": "rank",
    "acquisition": "acquisition programs",
    "templates": "templates",
    "n_params": "parameters",
}


def headline_sentences(results: Sequence[Result]) -> list[str]:
    """One sentence per comparison under the headline pair; where it has none, under each it has."""
    chosen = [result for result in results if result.headline]
    covered = {tuple(result.contest.factors.values()) for result in chosen}
    for result in results:
        if not result.headline and tuple(result.contest.factors.values()) not in covered:
            chosen.append(result)
    if not chosen:
        return [
            "No exchange rate: no comparison has both an instruction arm and a demonstrations arm."
        ]
    labels = comparison_labels([result.contest.factors for result in chosen])
    return [sentence(result, label) for result, label in zip(chosen, labels, strict=True)]


def sentence(result: Result, label: str) -> str:
    """What one instruction was worth, with its interval or with the reason there is none."""
    rate, pair = result.rate, result.contest.pair
    formats = f"{pair.instruction} against {pair.demonstrations}"
    if not pair.like_with_like:
        formats += f", {'a' if pair.label == 'practitioner' else 'an'} {pair.label} pair"
    what = f"{SHOWN[pair.demonstration_format]} demonstrations"
    notes = [note for note in (rate.reason, result.contest.note) if note]
    caution = "".join(f"; {note}" for note in notes)
    if rate.state == "not_comparable":
        return f"On {label} there is no exchange rate: {rate.reason} ({formats})."
    if rate.state == "estimated":
        assert rate.rate is not None, "an estimated rate has a value"
        worth = f"{number(rate.rate)} {what}"
    else:
        assert rate.bound is not None, "a censored rate has a bound"
        side = "more" if rate.state == "right_censored" else "less"
        one = rate.bound == 1
        worth = f"{side} than {number(rate.bound)} {what[:-1] if one else what}"
    limits = "" if rate.mass_below is None else f"{interval_words(rate)}; "
    return f"On {label} one instruction was worth {worth} ({limits}{formats}{caution})."


def interval_words(rate: ExchangeRate) -> str:
    """The interval in words."""
    if rate.mass_below is None:
        return "no interval"
    if rate.ci_low is not None and rate.ci_high is not None:
        return f"95% interval {number(rate.ci_low)} to {number(rate.ci_high)}"
    if rate.ci_low is not None:
        return f"95% lower limit {number(rate.ci_low)}, open above"
    if rate.ci_high is not None:
        return f"95% upper limit {number(rate.ci_high)}, open below"
    return "95% interval open on both sides"


def rate_cell(rate: ExchangeRate) -> str:
    """The rate as a table shows it."""
    if rate.rate is not None:
        return number(rate.rate)
    if rate.bound is None:
        return "–"
    return f"{'>' if rate.state == 'right_censored' else '<'} {number(rate.bound)}"


def interval_cell(rate: ExchangeRate) -> str:
    """The interval as a table shows it; `open` where it is."""
    if rate.mass_below is None:
        return "–"
    low = "open" if rate.ci_low is None else number(rate.ci_low)
    high = "open" if rate.ci_high is None else number(rate.ci_high)
    return f"{low} to {high}"


def percent(value: float | None) -> str:
    """An accuracy; a dash where there is none."""
    return "–" if value is None else f"{value:.1%}"


def chance_words(chance: float) -> str:
    """The random baseline in a sentence."""
    return f"A guess that knows nothing of the programs gets {percent(chance)} (random baseline)."


def points(value: float | None) -> str:
    """A difference of accuracies in percentage points, signed."""
    return "–" if value is None else f"{100 * value:+.1f}".replace("-", "−")


def number(value: float) -> str:
    """A rate or an n, to as many digits as it deserves."""
    size = abs(value)
    digits = 0 if value == round(value) and size < 1e6 else 2 if size < 1 else int(size < 100)
    return f"{value:.{digits}f}".replace("-", "−")


def comparison_labels(comparisons: Sequence[dict[str, Any]]) -> list[str]:
    """The model's name, and the factors in which the comparisons at hand differ beside it."""
    flat = [spread_factors(factors) for factors in comparisons]
    names = list(dict.fromkeys(name for factors in flat for name in factors))
    # n_params follows from the model.
    varied = [
        name
        for name in names
        if name not in ("model", "n_params")
        and len({str(factors.get(name)) for factors in flat}) > 1
    ]
    return [
        ", ".join(
            [
                str(each["model"]),
                *(named(n, each.get(n)) for n in varied if n in each or n in COMPARISON),
            ]
        )
        for each in flat
    ]


def pair_words(pair: Pair) -> str:
    """How both arms were asked and what a demonstration showed."""
    shown = SHOWN[pair.demonstration_format]
    return f"{pair.instruction} against {pair.demonstrations}, {shown} demonstrations"


def spread_factors(factors: dict[str, Any]) -> dict[str, Any]:
    """Factors with the JSON of the remaining ones laid open; what is not in it does not apply."""
    more = json_or_text(str(factors.get("factors") or "{}"))
    if not isinstance(more, dict):
        return factors
    known = {name: factors[name] for name in COMPARISON if name in factors and name != "factors"}
    return known | {str(name): value for name, value in more.items()}


def named(name: str, value: Any) -> str:
    """A factor in words: text speaks for itself, a number or a domain's setting needs its name."""
    shown = NAMES.get(name, name.removeprefix(DOMAIN).replace("_", " "))
    if value is None:
        return f"{shown} unknown"
    if (name, value) == ("curriculum", "none"):
        return "untuned"
    if isinstance(value, list):
        value = "/".join(map(str, value))
    elif isinstance(value, str) and not name.startswith(DOMAIN) and name not in BY_NAME:
        return value
    return f"{shown} {value}"


def duration(seconds: float) -> str:
    """A length of time to two units."""
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    if minutes < 100:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.3g} h"


def device_time(costs: Costs) -> str:
    """One line: device time that was held, and how much of it worked."""
    if not costs.device_s:
        return "Device time: none was used here"
    phases = ", ".join(f"{phase} {duration(costs.phase_s(phase))}" for phase in PHASES)
    return (
        f"Device time: allocated {duration(costs.device_s)}, busy {duration(costs.busy_s)} "
        f"({costs.busy_s / costs.device_s:.0%}): {phases}"
    )
