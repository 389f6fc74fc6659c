"""Loops that gather: accumulators, a body that updates them, and what is returned of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from pbb.models.nano.functions.expressions import (
    Scope,
    condition,
    letters,
    number,
)
from pbb.models.nano.functions.parts import INDENT, indented, pick, small

_SECOND_STATEMENT: Final = 0.15
_SECOND_ACCUMULATOR: Final = 0.15
_ELSE: Final = 0.3


def loop(
    scope: Scope,
    starts: Sequence[str],
    word_starts: Sequence[str],
    rng: np.random.Generator,
    also: Sequence[str] = (),
) -> str:
    """Accumulators, a loop that updates them, and what is returned of them."""
    types = ["number", "list"] + (["word", "word"] if scope.letters else ["number"])
    free = {
        "number": [n for n in ("s", "n", "m", "c", "p") if n not in scope.taken],
        "list": [n for n in ("b", "u", "r") if n not in scope.taken],
        "word": [n for n in ("t", "u", "w") if n not in scope.taken],
    }
    begins = {"number": starts, "list": ("[]",), "word": word_starts or ('""',)}
    kinds = [pick(types, rng)]
    if rng.random() < _SECOND_ACCUMULATOR:
        kinds.append("number")
    held = [(kind, free[kind].pop(0)) for kind in kinds]
    lines = [*scope.before, *(f"{name} = {pick(begins[kind], rng)}" for kind, name in held)]
    body = [line for kind, name in held for line in _step(kind, name, scope, rng)]
    if len(held) == 1 and rng.random() < _SECOND_STATEMENT:
        body += _step(*held[0], scope, rng)
    first = scope.within if rng.random() < 0.25 else ()
    last = () if first else scope.within
    lines += [scope.header, *(INDENT + line for line in (*first, *body, *last))]
    return indented([*lines, f"return {_answer(held, also, rng)}"])


def _answer(held: Sequence[tuple[str, str]], also: Sequence[str], rng: np.random.Generator) -> str:
    kind, name = held[0]
    if len(held) == 2:
        other = held[1][1]
        both = {"number": f"[{name}, {other}]", "list": f"{name} + [{other}]"}
        apart = {"number": f"{name} - {other}", "list": f"{other}"}
        return pick((both.get(kind, other), apart.get(kind, other)), rng)
    if also and rng.random() < 0.4:
        return f"[{name}, {also[0]}]" if kind == "number" else f"{name} + [{also[0]}]"
    whole = {
        "number": f"{name} % {small(rng, 3, 9)}",
        "list": f"len({name})",
        "word": f"len({name})",
    }
    return name if rng.random() < 0.85 else whole[kind]


def _step(kind: str, name: str, scope: Scope, rng: np.random.Generator) -> list[str]:
    """One update, plain, under a condition, one of two, or up to a break."""
    update = _update(kind, name, scope, rng)
    draw = rng.random()
    if draw < 0.4:
        return [update]
    test = condition(scope, rng)
    if draw < 0.46 and not scope.within:
        if kind == "number" and scope.numbers and rng.random() < 0.5:
            most = pick(("k",), rng) if "k" in scope.also_numbers else small(rng, 12, 45)
            test = f"{name} + {scope.numbers[0]} > {most}"
        return [f"if {test}:", f"{INDENT}break", update]
    if draw < 0.54 and scope.header.startswith(("for x in", "for c in")):
        element = scope.header.split()[1]
        options = (
            scope.also_letters or ('"a"',) if scope.letters else (*scope.also_numbers, small(rng))
        )
        return [f"if {test}:", f"{INDENT}{element} = {pick(options, rng)}", update]
    lines = [f"if {test}:", INDENT + update]
    if rng.random() < _ELSE:
        lines += ["else:", INDENT + _update(kind, name, scope, rng)]
    return lines


def _update(kind: str, name: str, scope: Scope, rng: np.random.Generator) -> str:
    if kind == "word":
        word = letters(scope, rng)
        return pick((f"{name} += {word}", f"{name} += {word}", f"{name} = {word} + {name}"), rng)
    value = number(scope, rng)
    if kind == "list":
        if scope.letters and rng.random() < 0.4:
            value = pick(scope.letters, rng)
        if len(scope.numbers) > 1 and rng.random() < 0.4:
            value = f"[{pick(scope.also_numbers, rng)}, {number(scope, rng)}]"
        return pick((f"{name}.append({value})",) * 4 + (f"{name}.insert(0, {value})",), rng)
    plain = (f"{name} += {value}",) * 5 + (f"{name} += 1", f"{name} -= {value}")
    odd = (
        f"{name} = max({name}, {value})",
        f"{name} = min({name}, {value})",
        f"{name} = {value} - {name}",
        f"{name} = {name} * {small(rng, 2, 3)} + {value}",
        f"{name} = {value}",
        f"{name} = abs({name} - {value})",
    )
    return pick(plain + odd, rng)
