"""Functions of a list of numbers, and perhaps of a number k."""

from __future__ import annotations

import numpy as np

from pbb.models.nano.functions.expressions import Scope
from pbb.models.nano.functions.loops import loop
from pbb.models.nano.functions.parts import INDENT, Proposal, indented, pick, small


def on_list(rng: np.random.Generator) -> Proposal:
    keyed = rng.random() < 0.45
    also = ("k",) if keyed else ()
    scopes = _scopes(also, rng)
    if keyed and rng.random() < 0.15:
        return _turning(rng)
    starts = ("0", "0", "a[0]", *(("k",) if keyed else ("1",)))
    body = loop(pick(scopes, rng), starts, ('""',), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return (_number_list(rng), *((int(rng.integers(2, 15)),) if keyed else ()))

    return Proposal("a, k" if keyed else "a", body, arguments)


def _scopes(also: tuple[str, ...], rng: np.random.Generator) -> tuple[Scope, ...]:
    return (
        Scope("for x in a:", numbers=("x",), also_numbers=also, taken=("a", "k", "x")),
        Scope("for x in a:", numbers=("x",), also_numbers=also, taken=("a", "k", "x")),
        Scope(
            "for i in range(len(a)):",
            numbers=("a[i]",),
            also_numbers=("i", *also),
            taken=("a", "k"),
        ),
        Scope(
            "for i in range(0, len(a), 2):", numbers=("a[i]",), also_numbers=also, taken=("a", "k")
        ),
        Scope(
            "for i in range(1, len(a)):",
            numbers=("a[i]",),
            also_numbers=("a[i - 1]", "a[i - 1]", *also),
            taken=("a", "k"),
        ),
        Scope(
            "for x in a:",
            before=("p = 1",),
            numbers=("x", "p * x"),
            also_numbers=("p", *also),
            within=(f"p = {pick(('-p', '-p', 'p + 1', 'p * 2', '1 - p'), rng)}",),
            taken=("a", "k", "x", "p"),
        ),
    )


def _turning(rng: np.random.Generator) -> Proposal:
    """A list rebuilt from its own parts, k times."""
    move = pick(
        (
            "a = a[1:] + a[:1]",
            "a = a[-1:] + a[:-1]",
            "a = a[1:] + [a[0] + {c}]",
            "a = [a[-1]] + a[:-1]",
            "a = a[1:]",
            "a = a[1:] + [{c}]",
            "a = [a[0] + a[1]] + a[1:]",
            "a = a[2:] + a[:2]",
        ),
        rng,
    ).format(c=small(rng))
    lines = ["for i in range(k):", INDENT + move]
    if rng.random() < 0.4:
        lines = ["s = 0", *lines, f"{INDENT}s += {pick(('a[0]', 'a[-1]', 'a[0] * i'), rng)}"]
        lines.append(pick(("return s", "return [s, a[0]]", "return a + [s]"), rng))
    else:
        lines.append(pick(("return a", "return a[0]", "return a[::-1]", "return a[-1]"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        a = _number_list(rng)
        return a, int(rng.integers(1, len(a)))

    return Proposal("a, k", indented(lines), arguments)


def _number_list(rng: np.random.Generator) -> list[int]:
    return [int(n) for n in rng.integers(0, 21, size=int(rng.integers(3, 6)))]
