"""Studies whose exchange rate is known: the yardstick that every interval is held against.

A simulated study has the nested and crossed noise of a real one, all on the logit scale: what makes
a program easy, in every arm and in one arm alone; the luck of a stage 1, shared by all arms or
the instruction's alone; a single run's luck; and the items' own. The demonstrations arm follows a
curve over n; the instruction arm stands where that curve stands at n = rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from analysis.comparison import DEFAULT_HEADLINE, Contest
from analysis.curves import Array, Level, Series

EASY_AND_HARD: Final = 3.0
"""Logits by which a third of the programs is easier, and a third harder, where difficulty is so."""


@dataclass(frozen=True)
class World:
    """Sizes, the true curve, and standard deviations of the noise [logits].

    rate: where the curves meet; where an arm's own noise differs, see `true_log_rate`. curve:
    `logistic` is intercept + slope log n, `saturating` rises by 6 slopes and is halfway at n = 20.
    potency: what a demonstration beside the instruction counts for, in demonstrations; 0 leaves
    arm `both` out. program: what makes a program easy, in every arm; interaction: in one arm alone.
    difficulty `mixed`: a third of the programs near the floor, a third near the ceiling. stage1: a
    stage 1's luck, in every arm built on it; instruction_stage1: with instructions alone. run: a
    single run's luck. runs_per_stage1: runs built on each of the `seeds` stage 1s. missing: chance
    that a cluster of an arm was not run. uneven: programs have from half as many items to half as
    many again. Items are independent; that those of a program are the same in all arms and runs,
    as in a study, makes them vary less.
    """

    rate: float = 5.0
    curve: Literal["logistic", "saturating"] = "logistic"
    intercept: float = -1.5
    slope: float = 1.0
    none: float = -3.5
    placebo: float = -3.5
    in_context: float = 2.5
    potency: float = 0.0
    ns: tuple[int, ...] = (1, 2, 4, 8, 16)
    programs: int = 24
    items: int = 8
    seeds: int = 3
    program: float = 0.8
    interaction: float = 0.0
    difficulty: Literal["normal", "mixed"] = "normal"
    stage1: float = 0.3
    run: float = 0.3
    instruction_stage1: float = 0.0
    runs_per_stage1: int = 1
    missing: float = 0.0
    uneven: bool = False

    def at(self, n: float) -> float:
        """Mean logit of the demonstrations arm."""
        if self.curve == "logistic":
            return self.intercept + self.slope * float(np.log(n))
        return self.intercept + 6 * self.slope * n / (n + 20)

    def arms(self) -> list[tuple[Series, int, float]]:
        """Series, n and mean logit of everything that is run."""
        shown: list[tuple[Series, int, float]] = [
            ("demonstrations", n, self.at(n)) for n in self.ns
        ]
        mixed: list[tuple[Series, int, float]] = [
            ("both", n, self.at(self.potency * n)) for n in self.ns if self.potency
        ]
        return [
            ("instruction", 0, self.at(self.rate)),
            ("none", 0, self.none),
            ("placebo", 0, self.placebo),
            ("in_context", 0, self.in_context),
            *shown,
            *mixed,
        ]


def chances(world: World, rng: np.random.Generator) -> list[Array]:
    """P(correct) by arm, in the order of `World.arms`: (seeds, runs per stage 1, programs) each."""
    shape = (world.seeds, world.runs_per_stage1, world.programs)
    easy = world.program * rng.standard_normal(world.programs)
    if world.difficulty == "mixed":
        easy = easy + EASY_AND_HARD * (rng.integers(0, 3, world.programs) - 1)
    stage1 = world.stage1 * rng.standard_normal((world.seeds, 1, 1))
    reading = world.instruction_stage1 * rng.standard_normal((world.seeds, 1, 1))
    found = []
    for series, _, height in world.arms():
        run = world.run * rng.standard_normal((*shape[:2], 1))
        taste = world.interaction * rng.standard_normal(world.programs)
        own = reading if series == "instruction" else 0.0
        found.append(np.asarray(expit(height + easy + taste + stage1 + run + own)))
    return found


def contest(world: World, seed: int | Sequence[int]) -> Contest:
    """One simulated comparison, without the detour over item rows."""
    rng = np.random.default_rng(seed)
    least, most = (world.items // 2, world.items * 3 // 2) if world.uneven else (world.items,) * 2
    items = rng.integers(least, most + 1, world.programs) if world.uneven else world.items
    levels = []
    for (series, n, _), chance in zip(world.arms(), chances(world, rng), strict=True):
        correct = rng.binomial(items, chance).mean(axis=1) / items
        ran = np.flatnonzero(rng.random(world.seeds) >= world.missing)
        kept = ran if len(ran) >= 2 else np.arange(world.seeds)
        levels.append(
            Level(
                series,
                n,
                "recite" if series in ("instruction", "both") else "cot",
                tuple(kept.tolist()),
                frozenset(kept.tolist()),
                tuple(f"p{index}" for index in range(world.programs)),
                correct[kept],
                np.full((len(kept), world.programs), 1.0) * items * world.runs_per_stage1,
                len(kept) * world.runs_per_stage1,
            )
        )
    return Contest({"model": "simulated"}, DEFAULT_HEADLINE, tuple(levels), "")


def family(
    worlds: Sequence[World], seed: int | Sequence[int], factors: Sequence[dict[str, Any]]
) -> list[Contest]:
    """Comparisons on the same programs, easy or hard alike in all, each with its own stage 1s.

    factors: of each comparison. All worlds share sizes and how much programs differ.
    """
    key = np.atleast_1d(seed).tolist()
    easy = worlds[0].program * np.random.default_rng((*key, 99)).standard_normal(worlds[0].programs)
    found = []
    for index, (world, own_factors) in enumerate(zip(worlds, factors, strict=True)):
        rng = np.random.default_rng((*key, index))
        apart = [logit(chance[:, 0]) for chance in chances(replace(world, program=0.0), rng)]
        own = contest(world, (*key, index))
        levels = tuple(
            replace(level, accuracy=rng.binomial(world.items, expit(odds + easy)) / world.items)
            for level, odds in zip(own.levels, apart, strict=True)
        )
        found.append(replace(own, factors=own_factors, levels=levels))
    return found


def mean_accuracy(world: World, height: float, *, instructed: bool = False) -> float:
    """Population accuracy of an arm at a mean logit: programs, runs and stage 1s integrated out
    (61-point Gauss-Hermite quadrature)."""
    variance = world.program**2 + world.interaction**2 + world.stage1**2 + world.run**2
    variance += world.instruction_stage1**2 if instructed else 0.0
    node, weight = np.polynomial.hermite_e.hermegauss(61)
    centres = (-EASY_AND_HARD, 0.0, EASY_AND_HARD) if world.difficulty == "mixed" else (0.0,)
    at = [expit(height + centre + np.sqrt(variance) * node) @ weight for centre in centres]
    return float(np.mean(at) / weight.sum())


@lru_cache(maxsize=256)
def true_log_rate(world: World) -> float:
    """log n at which the demonstrations arm's population accuracy is the instruction arm's.

    That is log(rate) unless noise of the instruction's own flattens its accuracy.
    """
    wanted = mean_accuracy(world, world.at(world.rate), instructed=True)
    return float(brentq(lambda x: mean_accuracy(world, world.at(np.exp(x))) - wanted, -12, 16))


def without_noise(world: World) -> World:
    """The same world where every program and run is alike."""
    quiet: dict[str, Any] = dict.fromkeys(("program", "interaction", "stage1", "run"), 0.0)
    return replace(world, instruction_stage1=0.0, **quiet)
