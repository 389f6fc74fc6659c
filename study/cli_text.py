"""What the commands print: one pair a line, aligned on a terminal, plain elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from analysis.calibration import Calibration
    from study.forecast import Forecast
    from study.places import Place
    from study.plan import Plan

out: Final = Console(highlight=False, markup=False, soft_wrap=True)
err: Final = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def show_pairs(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    """A title and `key  value` lines."""
    if not out.is_terminal:
        out.print(title)
        for key, value in pairs:
            out.print(f"  {key}: {value}")
        return
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for key, value in pairs:
        table.add_row(Text(key), Text(value))
    out.print(table)


def printable(text: str) -> str:
    """Names from a file cannot steer the terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def coverage_pairs(rows: Iterable[Calibration]) -> list[tuple[str, str]]:
    """How often each interval held the truth, by setting."""
    return [
        (
            row.setting,
            f"{'' if row.calibrated else 'WRONG: '}rate {row.cover:.1%} "
            f"({row.cover_low:.1%} to {row.cover_high:.1%}), cross-check "
            f"{row.cover_bootstrap:.1%}, contrast {row.cover_contrast:.1%}, "
            f"type I error {row.type_1:.1%}",
        )
        for row in rows
    ]


def forecast_pairs(forecast: Forecast) -> list[tuple[str, str]]:
    """A forecast in words; every number that is an assumption says so."""
    to_run = forecast.runs - forecast.runs_cached
    repeats = f", {forecast.repeats} proposals" if forecast.repeats > 1 else ""
    tuning = []
    if forecast.tuning_runs:
        told = f"{forecast.tuning_runs} runs first, for {forecast.tuning_groups} groups"
        known = "until then, runs are forecast with the recipe as it stands"
        tuning = [("tuning", f"{told}; {known}")]
    width = forecast.interval_note
    if forecast.interval_dex is not None:
        width = (
            f"about {forecast.interval_dex:.2f} decades wide, a factor of "
            f"{10 ** (forecast.interval_dex / 2):.1f} either way ({forecast.programs} programs x "
            f"{forecast.seeds} seeds; if runs vary as in the pilot {forecast.pilot})"
        )
    beside = f"{forecast.trainers} trainer{'s' if forecast.trainers > 1 else ''} at work"
    return [
        ("comparisons", str(forecast.comparisons)),
        *tuning,
        ("runs", f"{to_run} new, {forecast.runs_cached} cached{repeats}"),
        (
            "stages",
            f"{forecast.stages - forecast.stages_cached} new, {forecast.stages_cached} cached",
        ),
        ("training", f"{forecast.train_tokens:,} tokens"),
        ("evaluation", f"{forecast.evaluated_items:,} items"),
        ("device time", f"about {duration(forecast.device_seconds)} of one {forecast.device}"),
        ("wall time", f"about {duration(forecast.wall_s)} (rough; {beside}, and nothing else)"),
        ("disk", f"about {size(forecast.disk_bytes)}"),
        ("95% interval", width),
    ]


def plan_json(plan: Plan, forecast: Forecast, has: Callable[[str], bool]) -> dict[str, Any]:
    """What `plan --json` prints. has: whether a stage is there."""
    from study.plan import evaluations  # brings the configuration, which most commands do without

    trials = [
        {
            "id": trial.id,
            "run": trial.run,
            "factors": dict(trial.factors),
            "stages": [stage.fingerprint for stage in trial.chain],
            "cached": all(has(each.fingerprint) for each in evaluations(trial.chain)),
        }
        for trial in plan.trials
    ]
    return {"study": plan.study.name, "forecast": asdict(forecast), "trials": trials}


def duration(seconds: float) -> str:
    """Seconds in the unit a person would use."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """Bytes in decimal units."""
    for unit, length in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} B"


def launching(study: str, root: Place, smoke: bool, scale: str) -> list[str]:
    """The words of the command that launches a study."""
    from search_spaces.scales import NANO  # brings the study file, which most commands do without

    words = ["pbb-study", "launch", study, "--root", str(root)]
    return [*words, *(["--smoke"] if smoke else []), *(["--scale", scale] if scale != NANO else [])]
