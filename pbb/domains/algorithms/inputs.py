"""Functions -> the argument lists to try: drawn by their generators, or given as examples.

The same for every process and every data_seed: inputs are drawn from a seed of the generator's own
text, and functions with one generator see the same inputs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Final

from pbb.domains.algorithms.answers import arguments
from pbb.domains.algorithms.drawing import Drawing, Drawn
from pbb.domains.algorithms.jobs import run_drawings
from pbb.domains.algorithms.sandbox import SandboxError
from pbb.domains.algorithms.source import PLACEHOLDER, standalone
from pbb.domains.algorithms.syntax import NotAProgram
from pbb.domains.configs import FunctionSource
from pbb.seeds import stream

LEAST_DRAWN: Final = 12
"""So many inputs of a function are drawn at least, whatever a study asks for."""

Calls = tuple[str, ...] | SandboxError | NotAProgram
"""Distinct argument lists, or why there are none."""


def calls_of(functions: Sequence[FunctionSource], inputs: int) -> list[Calls]:
    """Of each function, in order; more than are wanted where there is a generator."""
    made = [_drawing(each, inputs) if each.generator else None for each in functions]
    drawn = _drawn([each for each in made if isinstance(each, Drawing)])
    return [
        _calls(function, drawing, drawn) for function, drawing in zip(functions, made, strict=True)
    ]


def _calls(
    function: FunctionSource, drawing: Drawing | NotAProgram | None, drawn: Mapping[Drawing, Calls]
) -> Calls:
    if drawing is None:
        return _given(function)
    return drawn[drawing] if isinstance(drawing, Drawing) else drawing


def _drawing(function: FunctionSource, inputs: int) -> Drawing | NotAProgram:
    try:
        source = standalone(function.generator, "inputs").replace(PLACEHOLDER, "inputs")
    except NotAProgram as error:
        return NotAProgram(f"inputs(rng): {error}")
    key = hashlib.sha256(source.encode()).hexdigest()
    seed = int(stream("inputs", key).integers(2**32))
    return Drawing(source, max(LEAST_DRAWN, 2 * inputs + 8), seed)


def _drawn(drawings: Sequence[Drawing]) -> dict[Drawing, Calls]:
    """Drawn twice, under two hash seeds: another process must find the same."""
    distinct = list(dict.fromkeys(drawings))
    first, second = (run_drawings(distinct, hash_seed) for hash_seed in (0, 1))
    return {each: _agreed(*both) for each, *both in zip(distinct, first, second, strict=True)}


def _agreed(first: Drawn, second: Drawn) -> Calls:
    if isinstance(first, SandboxError):
        return first
    if isinstance(second, SandboxError):
        return second
    if first != second:
        pairs = zip_longest(first, second, fillvalue="no more")
        here, there = next(pair for pair in pairs if pair[0] != pair[1])
        return NotAProgram(
            f"inputs(rng) draws {here[:60]} in one process and {there[:60]} in another; let all "
            "chance come from rng, and sort a set before it is drawn from"
        )
    return first


def _given(function: FunctionSource) -> Calls:
    """The examples."""
    given = [arguments(each) for each in function.examples]
    if None in given:
        wrong = function.examples[given.index(None)]
        return NotAProgram(f"example {wrong[:60]!r} is no list of Python literals")
    if not given:
        return NotAProgram(
            f"no inputs; write inputs_{function.name}(rng), EXAMPLES, or >>> lines in its docstring"
        )
    return tuple(dict.fromkeys(", ".join(each) for each in given if each is not None))
