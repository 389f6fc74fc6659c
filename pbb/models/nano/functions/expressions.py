"""What a loop's body computes and asks: expressions and conditions over what is in scope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pbb.models.nano.functions.parts import pick, small


@dataclass(frozen=True)
class Scope:
    """What a loop's body can use: the element's forms first, then everything else of the type.

    before, within: lines that stand before the loop, and at the end of its body.
    """

    header: str
    before: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    also_numbers: tuple[str, ...] = ()
    also_letters: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()


def number(scope: Scope, rng: np.random.Generator) -> str:
    """An expression over the element, for the most part a simple one."""
    if scope.letters:
        forms = [f"ord({pick(scope.letters, rng)}) - 96", "1", small(rng), *scope.also_numbers]
        return pick(forms, rng)
    x = pick(scope.numbers, rng)
    if rng.random() < 0.45:
        return x
    y = pick(scope.also_numbers, rng) if scope.also_numbers and rng.random() < 0.7 else small(rng)
    if x == y:
        y = small(rng)
    bracketed = f"({x})" if " " in x else x
    return pick(
        (
            f"{x} + {y}",
            f"{x} + {y}",
            f"{x} - {y}",
            f"{x} - {y}",
            f"{y} - {bracketed}",
            f"{bracketed} * {y}",
            f"{bracketed} * {small(rng, 2, 3)}",
            f"{bracketed} % {small(rng, 2, 9)}",
            f"{bracketed} // 2",
            f"abs({x} - {y})",
            f"min({x}, {y})",
            f"max({x}, {y})",
        ),
        rng,
    )


def letters(scope: Scope, rng: np.random.Generator) -> str:
    x = pick(scope.letters, rng)
    y = pick(scope.also_letters, rng) if scope.also_letters else f'"{pick("abcdefghij", rng)}"'
    return pick((x, x, x, f"{x} + {y}", f"{y} + {x}", y, f"{x} + {x}"), rng)


def condition(scope: Scope, rng: np.random.Generator) -> str:
    if scope.letters:
        x = pick(scope.letters, rng)
        if scope.also_numbers and rng.random() < 0.3:
            return number_condition(pick(scope.also_numbers, rng), (), rng)
        y = pick(scope.also_letters, rng) if scope.also_letters else f'"{pick("abcdefghij", rng)}"'
        return pick(
            (
                f'{x} in "aeiou"',
                f'{x} not in "aeiou"',
                f"{x} == {y}",
                f"{x} != {y}",
                f"{x} < {y}",
                f"{x} > {y}",
                f"ord({x}) % 2 == {small(rng, 0, 1)}",
            ),
            rng,
        )
    test = number_condition(pick(scope.numbers, rng), scope.also_numbers, rng)
    if rng.random() < 0.06:
        joint = pick(("or", "and"), rng)
        test += f" {joint} {number_condition(pick(scope.numbers, rng), scope.also_numbers, rng)}"
    return test


def number_condition(x: str, others: Sequence[str], rng: np.random.Generator) -> str:
    bracketed = f"({x})" if " " in x and "[" not in x else x
    if rng.random() < 0.4:
        m = pick((2, 2, 2, 3, 4, 5), rng)
        return f"{bracketed} % {m} == {small(rng, 0, m - 1)}"
    others = [y for y in others if y != x]
    y = pick(others, rng) if others and rng.random() < 0.7 else small(rng, 2, 12)
    return f"{x} {pick(('<', '>', '<', '>', '<=', '>=', '==', '!='), rng)} {y}"
