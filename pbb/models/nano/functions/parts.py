"""What every random function is made of: parameters, a body, and what draws its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

T = TypeVar("T")

INDENT: Final = "    "


@dataclass(frozen=True)
class Proposal:
    """A function's parameters and body (indented lines), and what draws arguments for it."""

    parameters: str
    body: str
    arguments: Callable[[np.random.Generator], tuple[object, ...]]


def pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def small(rng: np.random.Generator, low: int = 1, high: int = 9) -> str:
    return str(int(rng.integers(low, high + 1)))


def indented(lines: Sequence[str]) -> str:
    return "\n".join(INDENT + line for line in lines)
