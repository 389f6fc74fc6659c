"""The conformance suite for domains: laws that every domain obeys, for anyone to run on theirs.

`check_domain(MyConfig(...))` gives what is wrong, and nothing where all is well. For pytest,
parametrise over `LAWS` and call `obeys(name, MyConfig(...))`; docs/domains.md shows both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

from pbb.config import CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.domain import DomainConfig
from pbb.domains.laws import answers, everywhere, programs, texts, training
from pbb.domains.laws.subject import NANO as NANO
from pbb.domains.laws.subject import Reader as Reader
from pbb.domains.laws.subject import Subject, small

Law = Callable[[Subject], Iterator[str]]

LAWS: Final[Mapping[str, Law]] = MappingProxyType(
    {
        law.__name__: law
        for law in (
            programs.configuration,
            programs.disjoint_splits,
            programs.steady_targets,
            programs.meaning_of_behaviour,
            programs.sound_cases,
            programs.fair_items,
            answers.right_answers,
            answers.wrong_answers,
            answers.honest_chance,
            answers.sound_measures,
            answers.true_compositions,
            texts.twenty_templates,
            texts.known_formats,
            texts.clean_instructions,
            texts.distinct_instructions,
            texts.names_as_given,
            texts.telling_calls,
            texts.traces_of_values,
            training.answers_read_back,
            training.no_leakage,
            training.foreign_placebos,
            training.exact_masks,
            training.fitting_lengths,
            everywhere.same_everywhere,
        )
    }
)
"""Name -> law: it yields a message for everything that breaks it."""
MOST_OF_A_LAW: Final = 3
"""A broken law breaks everywhere; its first findings say enough."""
LONGEST: Final = 800
"""Characters of a message."""


@dataclass(frozen=True)
class Finding:
    """A law of `LAWS` that is broken, and how: what, the value, the way out."""

    law: str
    message: str

    def __str__(self) -> str:
        return f"{self.law}: {self.message}"


class NotConforming(AssertionError):
    """A domain breaks a law."""


def check_domain(
    domain: DomainConfig, *, data_seed: int = 0, readers: Sequence[Reader] = (NANO,)
) -> tuple[Finding, ...]:
    """What is wrong with a domain, on a small corpus; empty where it conforms.

    readers: bases whose tokenizers must read every document whole; none of them, none are asked.
    """
    try:
        corpus = small(domain, data_seed)
    except (TypeError, ValueError) as error:
        return (Finding("configuration", _raised(error)),)
    return check_corpus(corpus, readers=readers)


def check_corpus(
    corpus: CorpusConfig, *, readers: Sequence[Reader] = (NANO,)
) -> tuple[Finding, ...]:
    """The same on a corpus of your own sizes; it is built in every representation."""
    subject = Subject(corpus, tuple(readers))
    try:
        build_corpus(corpus)
    except Exception as error:  # no law can be asked
        return (Finding("configuration", f"{subject.meant}: {_raised(error)}"),)
    return tuple(finding for name in LAWS for finding in broken(name, subject))


def broken(law: str, subject: Subject) -> tuple[Finding, ...]:
    """The first findings of one law; an exception of the domain's own code is one of them."""
    found: list[Finding] = []
    try:
        for message in islice(LAWS[law](subject), MOST_OF_A_LAW):
            found.append(Finding(law, _short(message)))
    except Exception as error:  # whatever another package's code may raise
        found.append(Finding(law, _short(f"{subject.meant}: {_raised(error)}")))
    return tuple(found)


def obeys(
    law: str, domain: DomainConfig, *, data_seed: int = 0, readers: Sequence[Reader] = (NANO,)
) -> None:
    """For a test parametrised over `LAWS`. Raises NotConforming with what is wrong."""
    found = broken(law, Subject(small(domain, data_seed), tuple(readers)))
    if found:
        raise NotConforming("\n".join(map(str, found)))


def _short(message: str) -> str:
    """A whole document may stand in a message."""
    if len(message) <= LONGEST:
        return message
    return f"{message[: LONGEST // 2]} [...] {message[-LONGEST // 2 :]}"


def _raised(error: Exception) -> str:
    return f"it raises {type(error).__name__}: {error}"
