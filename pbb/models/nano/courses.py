"""Which programs the nano bases read: kinds, shares, and how many of each are named for good."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from pbb.domains.arithmetic.domain import Arithmetic
from pbb.domains.ciphers import Ciphers
from pbb.domains.configs import AlgorithmsConfig, ArithmeticConfig, CiphersConfig, GrammarsConfig
from pbb.domains.domain import Domain
from pbb.domains.grammars import Grammars
from pbb.models.nano.small_functions import SmallFunctions

INPUTS: Final = 32
VALUE_MAX: Final = 59
WIDE: Final = 100
"""Inputs of the wider arithmetic; values stay below it."""
SHAPES: Final = (
    (1, 1, 0.0, 0),
    (2, 1, 0.1, 0),
    (3, 1, 0.1, 66),
    (1, 2, 0.0, 67),
    (2, 2, 0.0, 133),
    (2, 2, 0.1, 0),
    (1, 3, 0.0, 0),
    (2, 3, 0.0, 67),
    (2, 4, 0.0, 67),
)
"""(steps, paths, loops) of the arithmetic read, in equal parts, and functions in the library."""
WIDE_SHAPES: Final = ((3, 1, 0.1), (2, 2, 0.0), (2, 4, 0.0))
FEW: Final = 8
"""Inputs of a program in passing, where its kind draws them for each program anew."""
CIPHERS: Final = ((1, 3), (1, 4), (1, 5), (2, 4), (2, 5))
"""(stages, length) of the ciphers in passing; all have the usual alphabet, told in no source."""
GRAMMARS: Final = ((1, 2, 2), (2, 2, 2), (2, 2, 3), (3, 2, 3), (3, 2, 4), (4, 2, 4))
"""(nonterminals, alternatives, depth) of the grammars in passing."""
SENTENCES: Final = 12
"""Sentences of a grammar in passing."""
SHORTEST: Final = 2.0
"""Mean length of a grammar's sentences in passing, at least."""


@dataclass(frozen=True)
class Course:
    """Programs of one kind.

    share: of the documents read in context. library: so many programs of it have a name for good.
    """

    domain: Domain
    share: float
    library: int = 0


@cache
def courses() -> tuple[Course, ...]:
    """Everything that is read, in a fixed order; shares sum to 1."""
    return (*_arithmetic(0.22), *_ciphers(0.2), *_grammars(0.18), *_small_functions(0.4))


def _arithmetic(share: float) -> list[Course]:
    each = share / (len(SHAPES) + len(WIDE_SHAPES))
    narrow = [
        Course(_functions(steps, paths, loops, INPUTS, VALUE_MAX), each, library)
        for steps, paths, loops, library in SHAPES
    ]
    wide = [
        Course(_functions(steps, paths, loops, WIDE, WIDE - 1), each)
        for steps, paths, loops in WIDE_SHAPES
    ]
    return [*narrow, *wide]


def _functions(steps: int, paths: int, loops: float, inputs: int, value_max: int) -> Arithmetic:
    return Arithmetic(
        ArithmeticConfig(steps=steps, paths=paths, loops=loops, inputs=inputs, value_max=value_max)
    )


def _ciphers(share: float) -> list[Course]:
    passing = [
        Course(
            Ciphers(CiphersConfig(stages=stages, length=length, keys=5, inputs=15)),
            share / len(CIPHERS),
        )
        for stages, length in CIPHERS
    ]
    library = [Course(Ciphers(CiphersConfig(stages=1)), 0.0, 150)]
    return [*passing, *library]


def _grammars(share: float) -> list[Course]:
    passing = [
        Course(
            Grammars(
                GrammarsConfig(
                    nonterminals=nonterminals,
                    alternatives=alternatives,
                    depth=depth,
                    inputs=SENTENCES,
                    mean_length=(SHORTEST, 9.0),
                )
            ),
            share / len(GRAMMARS),
        )
        for nonterminals, alternatives, depth in GRAMMARS
    ]
    return [*passing, Course(Grammars(GrammarsConfig()), 0.0, 100)]


def _small_functions(share: float) -> list[Course]:
    return [
        Course(SmallFunctions(AlgorithmsConfig(inputs=FEW)), share),
        Course(SmallFunctions(AlgorithmsConfig(inputs=24)), 0.0, 150),
    ]
