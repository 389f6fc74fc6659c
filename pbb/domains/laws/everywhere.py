"""The law of sameness: one configuration gives the same bytes in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from typing import Final

from pbb.config import Arm, CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.laws.subject import Subject, small, training
from pbb.domains.laws.texts import told

TIMEOUT_S: Final = 300
TAUGHT: Final[tuple[Arm, ...]] = ("both", "placebo")
"""Arms whose training holds every kind of document."""
SHOWN: Final = 120
SHOWN_BEFORE: Final = 40
"""Characters of two differing lines that are shown, and of those before they part."""
_ELSEWHERE: Final = """
import sys
sys.path[:] = sys.argv[2:]
import pbb.curricula, random, numpy
from pbb.domains.laws.everywhere import written_later
random.seed(1)
numpy.random.seed(1)
print(*written_later(sys.argv[1]), sep="\\n")
"""


class Failed(RuntimeError):
    """The other process ended with an error."""


def same_everywhere(subject: Subject) -> Iterator[str]:
    """Programs, texts and documents are the same in another process.

    There the hash seed is another, modules come in another order, the global generators stand
    elsewhere, and another corpus was built before.
    """
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    here, there = list(written(subject)), _elsewhere(subject.config, seed)
    pairs = [pair for pair in zip(here, there, strict=False) if pair[0] != pair[1]]
    if pairs or len(here) != len(there):
        one, other = pairs[0] if pairs else (f"{len(here)} lines", f"{len(there)} lines")
        parted = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
        shown = slice(max(0, parted - SHOWN_BEFORE), max(0, parted - SHOWN_BEFORE) + SHOWN)
        yield (
            f"another process (PYTHONHASHSEED={seed}) gives {other[shown]!r}, this one "
            f"{one[shown]!r}; draw from `rng` alone, and put no set, hash, time, address or global "
            "state into a draft"
        )


def _elsewhere(config: CorpusConfig, seed: str) -> list[str]:
    """Lines from a fresh interpreter with this one's path. Raises Failed."""
    done = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE, config.model_dump_json(), *map(str, sys.path)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(f"building it in another process failed: {done.stderr.strip()[-600:]}")
    return done.stdout.splitlines()


def written_later(config_json: str) -> Iterator[str]:
    """`written` of a corpus, after one of another seed has been built."""
    config = CorpusConfig.model_validate_json(config_json)
    build_corpus(small(config.domain, config.data_seed + 1))
    return written(Subject(config))


def written(subject: Subject) -> Iterator[str]:
    """A line for each program, for each wording of it, and for each document."""
    for program in (*subject.programs, *subject.composed):
        about = [program.name, program.split, list(program.items), list(program.free)]
        draft = program.draft
        behaviour = [draft.code, draft.parameters, draft.meaning, draft.name]
        cases = [astuple(case) for case in draft.cases]
        yield json.dumps([*about, *behaviour, cases, subject.domain.chance(program)])
    for program in subject.programs:
        for way, text in told(subject, program.draft, program.name).items():
            yield json.dumps([*way, text])
    for corpus, document in training(subject, TAUGHT):
        yield json.dumps([corpus.config.representation, *astuple(document)])
