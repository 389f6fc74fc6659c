"""(config, data_seed) -> programs and items; the same bytes in every process.

Acquisition, validation and target programs are disjoint in name and in meaning, and share no
meaning with the library that the shipped bases were pretrained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Final

import numpy as np

from pbb.config import CorpusConfig, Split
from pbb.domains.arithmetic import Body, propose, run_all
from pbb.domains.evaluator import EvaluationError, Execution
from pbb.domains.names import fresh_names
from pbb.seeds import stream

MEANING_INPUTS: Final = 32
"""A meaning is the tuple of answers on 0 .. 31, whatever inputs a study uses."""
MAX_SHARE_OF_ONE_ANSWER: Final = 0.2
"""No constant, and not the input itself, is right on more than this share of a program's items."""
MAX_IDLE_PROPOSALS: Final = 20_000
"""So many proposals in a row without a new program: the domain is exhausted."""


@dataclass(frozen=True)
class Program:
    """A named function with its evaluated items.

    items: inputs that are evaluated and never trained on; free: all other inputs, ascending.
    """

    name: str
    split: Split
    body: str
    executions: tuple[Execution, ...]
    items: tuple[int, ...]
    free: tuple[int, ...]
    paths: int


@dataclass(frozen=True)
class Corpus:
    """The programs of every split, in a fixed order."""

    config: CorpusConfig
    acquisition: tuple[Program, ...]
    validation: tuple[Program, ...]
    target: tuple[Program, ...]

    def split(self, split: Split) -> tuple[Program, ...]:
        return {
            "acquisition": self.acquisition,
            "validation": self.validation,
            "target": self.target,
        }[split]


def meaning(body: str) -> str:
    """16 hex digits of what a body computes on the canonical inputs. Raises EvaluationError."""
    answers = [run.answer for run in run_all(body, MEANING_INPUTS)]
    return hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def library_meanings() -> frozenset[str]:
    """Meanings of the library programs that the shipped bases have seen."""
    shipped = resources.files("pbb.models.nano").joinpath("library_meanings.json")
    return frozenset(json.loads(shipped.read_text()))


@lru_cache(maxsize=8)
def build_corpus(config: CorpusConfig) -> Corpus:
    """All programs and items of a study. Raises ValueError where the domain is too small for it.

    Splits are drawn targets first, so a study with more acquisition programs has the same targets.
    """
    bodies = distinct_bodies(config, stream("programs", config.data_seed), library_meanings())
    names = fresh_names(stream("names", config.data_seed))
    items = stream("items", config.data_seed)
    sizes: dict[Split, int] = {
        "target": config.targets,
        "validation": config.validation,
        "acquisition": config.acquisition,
    }
    splits = {
        split: tuple(_program(next(names), split, bodies, config, items) for _ in range(size))
        for split, size in sizes.items()
    }
    return Corpus(config, splits["acquisition"], splits["validation"], splits["target"])


def distinct_bodies(
    config: CorpusConfig, rng: np.random.Generator, taken: Collection[str]
) -> Iterator[Body]:
    """Fair bodies of pairwise different meaning, none of a meaning in `taken`."""
    seen: set[str] = set(taken)
    answers: set[tuple[int, ...]] = set()
    idle = 0
    while idle < MAX_IDLE_PROPOSALS:
        idle += 1
        body = propose(config.domain, rng)
        if body is None or body.answers in answers:
            continue
        try:
            hashed = meaning(body.source)
        except EvaluationError:
            continue
        if hashed not in seen:
            seen.add(hashed)
            answers.add(body.answers)
            idle = 0
            yield body
    raise ValueError(
        f"{config.domain} has too few distinct programs: after {len(answers)}, none in "
        f"{idle} proposals; allow more steps, paths or constants, or ask for fewer programs"
    )


def _program(
    name: str,
    split: Split,
    bodies: Iterator[Body],
    config: CorpusConfig,
    rng: np.random.Generator,
) -> Program:
    """The next body for which fair items exist."""
    for body in bodies:
        items = choose_items(body.executions, config.items_per_program, rng)
        if items is not None:
            free = tuple(x for x in range(len(body.executions)) if x not in items)
            paths = len({run.path for run in body.executions})
            return Program(name, split, body.source, body.executions, items, free, paths)
    raise AssertionError("distinct_bodies raises before it ends")


def choose_items(
    executions: tuple[Execution, ...], count: int, rng: np.random.Generator
) -> tuple[int, ...] | None:
    """`count` inputs, balanced over paths and not guessable; None where that cannot be had.

    Paths are visited in turn, so they differ by at most one item. Every path keeps at least one
    input outside the items, for demonstrations to show it.
    """
    most = int(MAX_SHARE_OF_ONE_ANSWER * count)
    waiting: dict[tuple[bool, ...], list[int]] = {}
    for x in rng.permutation(len(executions)):
        waiting.setdefault(executions[x].path, []).append(int(x))
    chosen: list[int] = []
    answers: dict[int, int] = {}
    fixed_points = 0
    while len(chosen) < count:
        for inputs in waiting.values():
            x = _next_allowed(inputs, executions, answers, fixed_points, most)
            if x is None:
                return None
            chosen.append(x)
            answers[executions[x].answer] = answers.get(executions[x].answer, 0) + 1
            fixed_points += executions[x].answer == x
            if len(chosen) == count:
                break
    return tuple(sorted(chosen))


def _next_allowed(
    inputs: list[int],
    executions: tuple[Execution, ...],
    answers: dict[int, int],
    fixed_points: int,
    most: int,
) -> int | None:
    """Remove and return the next input that keeps the items unguessable and the path non-empty."""
    for i, x in enumerate(inputs[:-1]):
        answer = executions[x].answer
        if answers.get(answer, 0) < most and (answer != x or fixed_points < most):
            return inputs.pop(i)
    return None
