"""What a domain is: a kind of programs, how they are told, asked and judged.

A domain is one class. It draws programs, writes an instruction in each representation, and says
whether an answer is right; everything else (names, splits, items, documents, arms) is the same for
all. Third-party ones are found by the entry point `pbb.domains` (docs/domains.md).
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from pbb.frozen import Frozen
from pbb.templates import Templates

ResponseFormat = Literal["direct", "cot", "recite"]
Representation = Literal["code", "prose"]
ProgramSplit = Literal["acquisition", "validation", "target", "composed"]

ANSWER_CUE: Final = "answer:"
CUE: Final = re.compile(r"answer\s*:")
"""What an answer is read back by; nothing that stands before an answer may hold it."""


class DomainConfig(Frozen):
    """What every domain's configuration has; a subclass narrows `kind` to its own name."""

    kind: str
    inputs: Annotated[int, Field(ge=6, le=1000)] = 32
    """Cases of a program: evaluated items and demonstrations together."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input of a program, and what comes of it. All texts are as a model reads them.

    input: what stands between the parentheses of the call; empty where a program takes nothing.
    answer: the right answer; one of the right ones where a domain is `sampled`.
    trace: values that arose, in order, never source; empty where the domain has none.
    path: which way this input goes through the program; items and demonstrations are balanced over
    paths. copies: answers that merely repeat the input, which must not pay.
    """

    input: str
    answer: str
    trace: str
    path: str
    copies: tuple[str, ...] = ()

    @property
    def copied(self) -> bool:
        """Whether a copy is the answer, white space aside, as answers are judged."""
        return squeezed(self.answer) in map(squeezed, self.copies)


@dataclass(frozen=True, slots=True)
class Draft:
    """A program before it has a pseudonym and a split.

    code: its text, from which the domain renders every representation. parameters: as in its
    definition, for instance `x`. cases: `config.inputs` of them, distinct in their input (in their
    answer where the domain is sampled). meaning: hash of its behaviour, whatever `inputs` is; equal
    meanings are one program. name: a name to keep instead of a pseudonym; null for a pseudonym.
    own: of a user's own program, what the user calls it; where it cannot be a target, no other
    program becomes one in its place.
    """

    code: str
    parameters: str
    cases: tuple[Case, ...]
    meaning: str
    name: str | None = None
    own: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A named program and its evaluated items.

    items: indices of cases that are evaluated and never trained on; free: all other indices,
    ascending, but for those of a composed program that execute an item of its parts. parts:
    outermost first, the programs that a composed one applies; else empty.
    """

    name: str
    split: ProgramSplit
    draft: Draft
    items: tuple[int, ...]
    free: tuple[int, ...]
    parts: tuple[Program, ...] = ()

    @property
    def paths(self) -> int:
        """Execution paths that its cases take."""
        return len({case.path for case in self.draft.cases})


@dataclass(frozen=True, slots=True)
class Measured:
    """A further measure of a program's answers, for an item row beside the execution's.

    measure: its name. item: the index it belongs to (0 where it is of the program as a whole).
    """

    measure: str
    item: int
    correct: bool
    score: float


class Domain(ABC):
    """A kind of programs. Instances are immutable and made from a configuration alone."""

    Config: ClassVar[type[DomainConfig]]
    templates: ClassVar[Templates]
    """20 ways to introduce a definition, 20 to ask for an execution."""
    formats: ClassVar[tuple[ResponseFormat, ...]] = ("direct", "cot", "recite")
    """Formats in which it can be asked; `cot` and traced demonstrations need traces."""
    phrasings: ClassVar[Mapping[Representation, int]] = MappingProxyType({"code": 1})
    """Representation -> in how many ways an instruction can be worded in it."""
    even_paths: ClassVar[bool] = True
    """Items are spread evenly over a program's paths, or the program is no fair one. Where false,
    as evenly as its cases allow."""
    sampled: ClassVar[bool] = False
    """Answers are sampled at temperature 1, an item each, and every right one counts."""

    def __init__(self, config: Any) -> None:
        self.config = config

    @abstractmethod
    def drafts(self, rng: np.random.Generator) -> Iterator[Draft | None]:
        """Proposals, endless or not; null for one that was no fair program.

        Uses no randomness but `rng`, and gives the same drafts in every process.
        """

    def check_targets(self, count: int) -> None:
        """Raises a ValueError where so many targets are not to be had, whatever `drafts` gives.

        Targets are drawn first; a domain that holds a user's own programs has them as targets.
        """
        return  # not abstract: most domains have programs enough of one kind

    @abstractmethod
    def opening(self, draft: Draft, name: str, representation: Representation) -> str:
        """The line that an instruction begins with, for instance `def zibfil(x):`."""

    @abstractmethod
    def instruction(
        self, draft: Draft, name: str, representation: Representation, phrasing: int
    ) -> str:
        """What follows the opening: no leading or trailing line break.

        phrasing: 0 .. phrasings[representation] - 1.
        """

    def call(self, names: Sequence[str], case: Case) -> str:
        """The pointer with an input, as asked: `f(5)`; composed, outermost first: `f(g(5))`."""
        return "(".join(names) + f"({case.input}" + ")" * len(names)

    def correct(self, program: Program, item: int, said: str) -> bool:
        """Whether `said`, the text after the answer cue up to the line's end, answers case `item`.

        item: an index into the draft's cases.
        """
        return squeezed(said) == squeezed(program.draft.cases[item].answer)

    def reward(self, program: Program, item: int, said: str) -> float:
        """What an answer earns where right answers are reinforced, 0 to 1; here 1 if it is right.

        said and item: as in `correct`. Less than the stage's format_reward counts as that where the
        answer has the format asked for (pbb/training/rewards.py).
        """
        return float(self.correct(program, item, said))

    def compose(self, outer: Draft, inner: Draft) -> Draft | None:
        """`outer` applied to what `inner` gives, on those of inner's inputs where that works.

        Null where the two do not fit, or the domain has no composition. Its cases' `input` is
        inner's; its code is not used. Never asked of a `sampled` domain: what tells a composed
        answer from two that were shown is the input.
        """
        return None

    @property
    def composes(self) -> bool:
        """Whether programs can be applied to what others give."""
        return type(self).compose is not Domain.compose and not self.sampled

    def passed(self, case: Case) -> str:
        """The input that an outer program gets where `case` is the inner one's: its answer."""
        return case.answer

    def chance(self, program: Program) -> float:
        """Share of the items that a guess without knowledge of the program gets right.

        Here the better of the commonest answer and copying the input; white space does not count.
        """
        cases = [program.draft.cases[i] for i in program.items]
        common = Counter(squeezed(case.answer) for case in cases).most_common(1)[0][1]
        return max(common, sum(case.copied for case in cases)) / len(cases)

    def beside(self, program: Program, said: Sequence[str]) -> Iterable[Measured]:
        """Further measures of all answers to one program's items; said: as in `correct`."""
        return ()


def squeezed(text: str) -> str:
    """Text without white space: tokenizers differ in where they put it."""
    return re.sub(r"\s+", "", text)
