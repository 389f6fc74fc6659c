"""Random integer functions: assignments, + - * // %, if/elif/else chains, bounded loops.

The generator proposes a body and keeps it only where it is a fair program: no value leaves the
range, exactly `paths` execution paths are reached, each by enough inputs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Final

import numpy as np

from pbb.domains.configs import MIN_INPUTS_PER_PATH, ArithmeticConfig
from pbb.domains.evaluator import EvaluationError, Execution, parse

INDENT: Final = "    "
_OPERATORS: Final = ("+=", "-=", "*=", "//=", "%=")
_OPERATOR_ODDS: Final = (0.3, 0.3, 0.2, 0.12, 0.08)
_UP_TO: Final = tuple((np.cumsum(_OPERATOR_ODDS) / np.cumsum(_OPERATOR_ODDS)[-1]).tolist())
"""Where each operator's share of 0 .. 1 ends."""
MAX_LEAF_DRAWS: Final = 200
_FACTOR_MAX: Final = 5
"""Largest constant of * and //: more would leave the range or flatten it at once."""


@dataclass(frozen=True)
class Body:
    """A function's body (indented lines, no trailing newline) and its runs on 0 .. inputs - 1."""

    source: str
    executions: tuple[Execution, ...]

    @property
    def answers(self) -> tuple[int, ...]:
        return tuple(e.answer for e in self.executions)


def definition(name: str, body: str) -> str:
    """The full Python source of the function `name`."""
    return f"def {name}(x):\n{body}"


def propose(config: ArithmeticConfig, rng: np.random.Generator) -> Body | None:
    """One random body, or None where the draw is not a fair program."""
    arms = _arms_per_step(config, rng)
    try:
        lines = [line for n in arms for line in _step(n, config, rng)]
        source = "\n".join(INDENT + line for line in [*lines, "return x"])
        executions = _within_range(source, config)
    except EvaluationError:
        return None
    return Body(source, executions) if _fair(executions, config) else None


def _within_range(body: str, config: ArithmeticConfig) -> tuple[Execution, ...]:
    """All executions. Raises EvaluationError at the first whose values leave the range.

    Most proposals do, most of those at a small input or the largest: look there first.
    """
    function = parse(definition("f", body))
    found: dict[int, Execution] = {}
    for x in dict.fromkeys((0, config.inputs - 1, *range(config.inputs))):
        found[x] = function(x)
        for value in found[x].trace:
            if not isinstance(value, bool) and not 0 <= value <= config.value_max:
                raise EvaluationError(f"{value} is outside 0 .. {config.value_max}")
    return tuple(found[x] for x in range(config.inputs))


def run_all(body: str, inputs: int) -> tuple[Execution, ...]:
    """Executions on 0 .. inputs - 1. Raises EvaluationError, UnsafeProgram."""
    function = parse(definition("f", body))
    return tuple(function(x) for x in range(inputs))


def _fair(executions: tuple[Execution, ...], config: ArithmeticConfig) -> bool:
    counts: dict[tuple[bool, ...], int] = {}
    for execution in executions:
        counts[execution.path] = counts.get(execution.path, 0) + 1
    return len(counts) == config.paths and min(counts.values()) >= MIN_INPUTS_PER_PATH


def _arms_per_step(config: ArithmeticConfig, rng: np.random.Generator) -> list[int]:
    """Branch arms of each step; their product is the number of paths a program can have."""
    arms = [1] * config.steps
    remaining = config.paths
    for factor in _prime_factors(remaining):
        arms[int(rng.integers(config.steps))] *= factor
    return arms


def _prime_factors(n: int) -> list[int]:
    factors, divisor = [], 2
    while n > 1:
        while n % divisor == 0:
            factors.append(divisor)
            n //= divisor
        divisor += 1
    return factors


def _step(arms: int, config: ArithmeticConfig, rng: np.random.Generator) -> list[str]:
    if arms > 1:
        return _chain(arms, config, rng)
    if rng.random() < config.loops:
        amount = "i" if rng.random() < 0.5 else str(rng.integers(1, config.constant_max + 1))
        return [f"for i in range({rng.integers(2, 4)}):", f"{INDENT}x += {amount}"]
    return [_assignment(config, rng)]


def _chain(arms: int, config: ArithmeticConfig, rng: np.random.Generator) -> list[str]:
    """if/elif/else with so many arms; thresholds ascend so that no arm is shadowed."""
    if arms == 2 and rng.random() < 0.5:
        tests = [f"x % 2 == {rng.integers(2)}"]
    else:
        top = min(config.inputs, config.value_max)
        cuts = np.sort(rng.choice(np.arange(2, top), size=arms - 1, replace=False))
        tests = [f"x < {cut}" for cut in cuts]
    leaves: list[str] = []
    for _ in range(MAX_LEAF_DRAWS):  # arms that do the same would be one path in all but name
        if len(leaves) == arms:
            break
        leaf = _assignment(config, rng)
        leaves += [leaf] if leaf not in leaves else []
    else:
        raise EvaluationError(f"{arms} branches need as many distinct assignments")
    lines: list[str] = []
    for i, test in enumerate(tests):
        lines += [f"{'elif' if i else 'if'} {test}:", INDENT + leaves[i]]
    return [*lines, "else:", INDENT + leaves[-1]]


def _assignment(config: ArithmeticConfig, rng: np.random.Generator) -> str:
    op = _OPERATORS[bisect_right(_UP_TO, rng.random())]
    if op in ("*=", "//="):
        constant = rng.integers(2, min(_FACTOR_MAX, config.constant_max) + 1)
    elif op == "%=":
        constant = rng.integers(min(5, config.constant_max), config.constant_max + 1)
    else:
        constant = rng.integers(1, config.constant_max + 1)
    return f"x {op} {constant}"
