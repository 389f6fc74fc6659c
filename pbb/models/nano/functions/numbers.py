"""Functions of one number or several: counted, worn down, taken apart into digits."""

from __future__ import annotations

import numpy as np

from pbb.models.nano.functions.expressions import Scope, number_condition
from pbb.models.nano.functions.loops import loop
from pbb.models.nano.functions.parts import INDENT, Proposal, indented, pick, small


def on_numbers(rng: np.random.Generator) -> Proposal:
    return pick((_counted, _between, _worn_down, _digits, _pair_of_numbers), rng)(rng)


def _counted(rng: np.random.Generator) -> Proposal:
    """k times something is done to n."""
    c, d = small(rng, 2, 5), small(rng)
    step = (
        f"n += {c}",
        f"n -= {d}",
        f"n = {c} * n + {d}",
        f"n = n * {c} % {small(rng, 11, 29)}",
        "n += i",
        "n += i * i",
        f"n = abs(n - {d})",
        "n //= 2",
        f"n = {d} * i - n",
    )
    lines = ["for i in range(k):"]
    if rng.random() < 0.6:
        lines += [
            f"{INDENT}if {number_condition('n', ('i', 'k'), rng)}:",
            INDENT * 2 + pick(step, rng),
        ]
        if rng.random() < 0.7:
            lines += [f"{INDENT}else:", INDENT * 2 + pick(step, rng)]
    else:
        lines += [INDENT + pick(step, rng)]
    if rng.random() < 0.4:
        lines = ["s = 0", *lines, f"{INDENT}s += n", pick(("return s", "return [s, n]"), rng)]
    else:
        lines.append(pick(("return n", "return n", f"return n % {small(rng, 3, 9)}"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return int(rng.integers(2, 21)), int(rng.integers(2, 6))

    return Proposal("n, k", indented(lines), arguments)


def _between(rng: np.random.Generator) -> Proposal:
    """Over the numbers from a to b."""
    scope = Scope(
        "for i in range(a, b):", numbers=("i",), also_numbers=("a", "b"), taken=("a", "b", "i")
    )
    body = loop(scope, ("0", "0", "1", "a", "b"), (), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        a = int(rng.integers(0, 15))
        return a, a + int(rng.integers(2, 6))

    return Proposal("a, b", body, arguments)


def _worn_down(rng: np.random.Generator) -> Proposal:
    """While n is large enough, k is taken from it."""
    test = pick(("n > 0", "n >= k", "n > k", "n >= 0"), rng)
    scope = Scope(
        f"while {test}:", numbers=("n",), also_numbers=("k",), within=("n -= k",), taken=("n", "k")
    )
    body = loop(scope, ("0", "0", "0", "1", "k"), (), rng, also=("n",))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        k = int(rng.integers(2, 9))
        return int(rng.integers(k, 5 * k)), k

    return Proposal("n, k", body, arguments)


def _digits(rng: np.random.Generator) -> Proposal:
    """The digits of n, in some base, from the last."""
    base = pick(("10", "10", "2", "3", "4", "5"), rng)
    scope = Scope(
        "while n > 0:",
        numbers=(f"n % {base}",),
        also_numbers=("n",),
        within=(f"n //= {base}",),
        taken=("n",),
    )
    body = loop(scope, ("0", "0", "0", "1"), (), rng)
    high = {"10": 100, "2": 20}.get(base, 70)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return (int(rng.integers(5, high)),)

    return Proposal("n", body, arguments)


def _pair_of_numbers(rng: np.random.Generator) -> Proposal:
    """Two numbers that step on together."""
    c = small(rng, 1, 5)
    step = pick(
        (
            "a, b = b, a + b",
            "a, b = b, abs(a - b)",
            f"a, b = b, a + {c}",
            f"a, b = b + {c}, a",
            "a, b = a + b, a",
            f"a, b = b, b - a + {c}",
            f"a, b = b, {c} * a",
            "a, b = b, max(a, b) - a",
        ),
        rng,
    )
    lines = ["for i in range(k):", INDENT + step]
    parameters = "a, b, k"
    if rng.random() < 0.35:
        rest = pick(("a % b", "a % b", "a // 2 % b", f"(a + {c}) % b"), rng)
        lines = ["while b > 0:", f"{INDENT}a, b = b, {rest}"]
        parameters = "a, b"
    if rng.random() < 0.4:
        gain = pick(("1", "a", "b", f"{c}"), rng)
        lines = ["s = 0", *lines, f"{INDENT}s += {gain}", pick(("return s", "return [a, s]"), rng)]
    else:
        lines.append(pick(("return a", "return b", "return [a, b]", "return a + b"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        if parameters == "a, b":
            return int(rng.integers(5, 61)), int(rng.integers(3, 41))
        return int(rng.integers(0, 13)), int(rng.integers(0, 13)), int(rng.integers(2, 6))

    return Proposal(parameters, indented(lines), arguments)
