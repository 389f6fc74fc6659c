"""Functions of a graph as a list of edges, or as a list that says which place comes next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pbb.models.nano.functions.expressions import Scope
from pbb.models.nano.functions.loops import loop
from pbb.models.nano.functions.parts import INDENT, Proposal, indented, pick, small


def on_edges(rng: np.random.Generator) -> Proposal:
    kind = pick(("pairs", "keyed", "keyed", "weights", "places", "walk"), rng)
    if kind == "walk":
        return _walking(rng)
    scope = {
        "pairs": Scope("for x, y in e:", numbers=("x", "y"), also_numbers=("x", "y")),
        "keyed": Scope("for x, y in e:", numbers=("x", "y"), also_numbers=("k", "k", "y", "x")),
        "weights": Scope(
            "for x, y, w in e:", numbers=("w", "x", "y"), also_numbers=("k", "k", "x", "y")
        ),
        "places": Scope(
            "for x, y in e:", numbers=("a[x]", "a[y]"), also_numbers=("a[y]", "a[x]", "x")
        ),
    }[kind]
    scope = replace(scope, taken=tuple("aekxyw"))
    body = loop(scope, ("0", "0", "1"), (), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        nodes = 3 if kind == "places" else 6
        pairs = [[i, j] for i in range(nodes) for j in range(nodes) if i != j]
        picks = rng.choice(len(pairs), size=int(rng.integers(2, 5)), replace=False)
        edges = [pairs[int(i)] for i in picks]
        key = int(pick(pick(edges, rng), rng))
        if kind == "weights":
            weights = rng.integers(1, 21, size=3)
            return [[*p, int(w)] for p, w in zip(edges[:3], weights, strict=False)], key
        if kind == "places":
            return [int(n) for n in rng.choice(21, size=nodes, replace=False)], edges[:3]
        return (edges, key) if kind == "keyed" else (edges[:3],)

    parameters = {"pairs": "e", "keyed": "e, k", "weights": "e, k", "places": "a, e"}[kind]
    return Proposal(parameters, body, arguments)


def _walking(rng: np.random.Generator) -> Proposal:
    """From place to place along a list that says which place comes next."""
    update = pick(
        ("b.append({v})", "b.insert(0, {v})", "s += {v}", "s += i * {c}", "b.append({v} + {c})"),
        rng,
    ).format(v=pick(("i", "a[i]", "i + j", "j - i"), rng), c=small(rng, 2, 5))
    name = update[0]
    move = pick(("i = a[i]", "i = a[i]", "i = a[a[i]]", "i = a[i - 1]"), rng)
    steps = [move, update] if rng.random() < 0.6 else [update, move]
    start = "[]" if name == "b" else pick(("0", "i", "k"), rng)
    ends = (f"return {name}",) * 3 + (
        (f"return {name} + [i]",) if name == "b" else (f"return [{name}, i]",)
    )
    lines = [f"{name} = {start}", "for j in range(k):", *(INDENT + step for step in steps)]
    lines.append(pick(ends, rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        n = int(rng.integers(4, 6))
        return (
            [int(i) for i in rng.integers(n, size=n)],
            int(rng.integers(n)),
            int(rng.integers(2, 5)),
        )

    return Proposal("a, i, k", indented(lines), arguments)
