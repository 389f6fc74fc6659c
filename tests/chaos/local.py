"""The storms of the local backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.chaos.cases import EXTENDED, FEW, SMALL, TUNED, trained
from tests.chaos.storm import (
    Figures,
    killed_at_every_step,
    killed_at_random_times,
    killed_on_the_way,
)
from tests.chaos.victim import Case

SEED: Final = 20261126
"""Of all steps and times that are drawn."""
AT_LEAST: Final = 20
"""Kills of each storm."""


def every_step(folder: Path) -> Figures:
    """A kill before each step of a launch."""
    return killed_at_every_step("every commit point of a launch", FEW, folder)


def every_step_of_an_extension(folder: Path) -> Figures:
    """A kill before each step of a launch that extends what another left."""
    return killed_at_every_step("every commit point of an extension", EXTENDED, folder, FEW)


def tuning(folder: Path) -> Figures:
    """Kills while nuisances are searched, and after."""
    return killed_on_the_way(
        "a study that tunes, at drawn commit points", TUNED, folder, AT_LEAST, SEED
    )


def training_steps(folder: Path) -> Figures:
    """Kills at drawn steps of real training."""
    return killed_on_the_way(
        "real training, at drawn commit points", trained(), folder, AT_LEAST, SEED
    )


def training_times(folder: Path) -> Figures:
    """Kills at drawn times of real training."""
    return killed_at_random_times(
        "real training, at drawn times", [trained()], folder, AT_LEAST, SEED
    )


def sharing(folder: Path) -> Figures:
    """Two studies that need the same stages, launched at once; both die at drawn times."""
    both = [SMALL, Case(SMALL.study.model_copy(update={"name": "other"}))]
    kind = "two studies that share their stages, at drawn times"
    return killed_at_random_times(kind, both, folder, AT_LEAST, SEED, sleep_s=0.05)


def sharing_training(folder: Path) -> Figures:
    """The same with real training."""
    kind = "two trained studies that share their stages, at drawn times"
    return killed_at_random_times(kind, [trained(), trained("other")], folder, AT_LEAST, SEED)


STORMS: Final[Mapping[str, Callable[[Path], Figures]]] = {
    storm.__name__: storm
    for storm in (
        every_step,
        every_step_of_an_extension,
        tuning,
        training_steps,
        training_times,
        sharing,
        sharing_training,
    )
}
