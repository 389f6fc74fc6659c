"""Laws of documents: what training shows, what it must not, and how a base reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, get_args

from pbb.config import (
    DECLARED_ARMS,
    PBB_ARMS,
    Arm,
    CorpusConfig,
    PlaceboDeclarations,
)
from pbb.corpus import Corpus, build_corpus
from pbb.documents import Document, Told, execution_completion, execution_prompt, said
from pbb.domains.domain import Domain, Program, squeezed
from pbb.domains.laws.subject import Reader, Subject, documents, pairs, training
from pbb.sampling import instruction_text

ARMS: Final[tuple[Arm, ...]] = get_args(Arm)
_ANY_NAME: Final = r"\w+"
ENCODED: Final = 400
"""Documents that each base encodes at most, spread over all of them."""


def answers_read_back(subject: Subject) -> Iterator[str]:
    """Of every document with an answer, `said` finds the case's; of every item, a correct one."""
    for corpus, document in training(subject, ARMS):
        if document.input is None or document.response_format is None:
            continue
        case = _program(corpus, document).draft.cases[document.input]
        found = said(document.completion, document.response_format)
        if squeezed(found) != squeezed(case.answer):
            yield (
                f"{document.response_format} document of {document.program}: {found!r} is read "
                f"back, and the answer is {case.answer!r}: {document.completion!r}"
            )
    for corpus in subject.corpora:
        yield from _items_read_back(corpus)


def _items_read_back(corpus: Corpus) -> Iterator[str]:
    domain = corpus.domain
    for program in (*corpus.acquisition, *corpus.target, *pairs(corpus.config)):
        for way in domain.formats:
            for phrasing in range(domain.phrasings[corpus.config.representation]):
                told = Told(corpus.config.representation, phrasing)
                for i in program.items:
                    case = program.draft.cases[i]
                    text = execution_completion(domain, program, case, way, told)
                    if not domain.correct(program, i, said(text, way)):
                        yield (
                            f"{way} item {i} of {program.name}: the right completion is judged "
                            f"wrong: {text!r}"
                        )


def no_leakage(subject: Subject) -> Iterator[str]:
    """Arms that claim PBB never see a target executed, and no arm sees an item.

    Nor does a document of another program tell a target, as a helper that it brings along.
    """
    for corpus, document in training(subject, ARMS):
        yield from _items_shown(corpus, document)
        if told := tells_target(corpus, document):
            yield f"a document of {document.program} tells the target {told}: {document}"
    for corpus, document in training(subject, tuple(sorted(PBB_ARMS))):
        yield from _targets_executed(corpus, document)
    undeclared = tuple(sorted(set(PBB_ARMS) - DECLARED_ARMS | {"in_context"}))
    for _, document in training(subject, undeclared):
        if document.split == "target":
            yield f"a document of an arm that reveals nothing is of {document.program}: {document}"


def _items_shown(corpus: Corpus, document: Document) -> Iterator[str]:
    """By the document's own account, and by its text."""
    text = f"{document.prompt}{document.completion}"
    if document.input is not None:
        program = _program(corpus, document)
        if document.input not in program.free:
            yield f"a training document is item {document.input} of {document.program}: {text!r}"
        if executes_outer_item(corpus.domain, program, document.input):
            yield f"a training document of {document.program} executes an item of outer: {text!r}"
        if corpus.domain.sampled:
            found = squeezed(said(document.completion, document.response_format or "cot"))
            if found in {squeezed(program.draft.cases[i].answer) for i in program.items}:
                yield f"a training document of {document.program} says an item's answer: {text!r}"
    if not corpus.domain.sampled:
        for program in (*corpus.acquisition, *corpus.validation, *corpus.target):
            for i in program.items if program.name in text else ():
                call = corpus.domain.call([program.name], program.draft.cases[i])
                if call in text:
                    yield f"a training document of {document.program} holds {call!r}: {text!r}"


def executes_outer_item(domain: Domain, program: Program, i: int) -> bool:
    """Whether case i of a composed program has outer run on an input on which it is evaluated."""
    if not program.parts:
        return False
    outer, inner = program.parts
    asked = program.draft.cases[i].input
    passed = {squeezed(domain.passed(case)) for case in inner.draft.cases if case.input == asked}
    return any(squeezed(outer.draft.cases[k].input) in passed for k in outer.items)


def tells_target(corpus: Corpus, document: Document) -> str | None:
    """The target whose whole instruction, under whatever name, is in a document of another one."""
    if document.kind == "placebo":  # which is meant to
        return None
    own = document.program.split(".")
    text = _stripped(f"{document.prompt}{document.completion}")
    for name, wordings in _tellings(corpus.config).items():
        if name not in own and any(wording.search(text) for wording in wordings):
            return name
    return None


@lru_cache(maxsize=8)
def _tellings(config: CorpusConfig) -> dict[str, tuple[re.Pattern[str], ...]]:
    """Target -> what finds each wording of its instruction in a text without margins."""
    corpus, way = build_corpus(config), config.representation
    found = {}
    for program in corpus.target:
        told = (
            instruction_text(corpus.domain, program, Told(way, phrasing), "{name}")
            for phrasing in range(corpus.domain.phrasings[way])
        )
        lines = (_stripped(text.partition("\n")[2]).split(program.name) for text in told)
        found[program.name] = tuple(re.compile(_ANY_NAME.join(map(re.escape, w))) for w in lines)
    return found


def _stripped(text: str) -> str:
    """Lines without margins, and with a break before the first and after the last."""
    return "\n" + "".join(f"{line.strip()}\n" for line in text.splitlines())


def _targets_executed(corpus: Corpus, document: Document) -> Iterator[str]:
    if document.split == "target" and document.kind not in ("declaration", "placebo"):
        yield f"an arm that claims PBB sees a target executed: {document}"
    if document.kind in ("declaration", "placebo") or corpus.domain.sampled:
        return
    text = f"{document.prompt}{document.completion}"
    for target in corpus.target:
        if target.name in text:
            calls = (corpus.domain.call([target.name], case) for case in target.draft.cases)
            yield from (f"{call!r} is in {document}" for call in calls if call in text)


def foreign_placebos(subject: Subject) -> Iterator[str]:
    """A placebo pairs a pointer with another program's instruction, never with its own."""
    for corpus in subject.corpora:
        domain, way = corpus.domain, corpus.config.representation
        programs = {program.name: program for program in corpus.target}
        for document in documents(corpus.config, PlaceboDeclarations(split="target")):
            draft = programs[document.program].draft
            for phrasing in range(domain.phrasings[way]):
                own = domain.instruction(draft, document.program, way, phrasing)
                if squeezed(own) == squeezed(document.completion):
                    yield f"a placebo tells {document.program} its own instruction: {document}"


def exact_masks(subject: Subject) -> Iterator[str]:
    """A base reads back prompt and completion whole, parted where the loss begins."""
    from pbb.models.encoding import Encoder

    found = list(training(subject, ARMS))
    chosen = [document for _, document in found[:: 1 + len(found) // ENCODED]]
    for reader in subject.readers:
        tokenizer = reader.load()
        encoder = Encoder(tokenizer)
        for document in chosen:
            encoded = encoder(document)
            prompt, completion = encoded.ids[: encoded.n_prompt], encoded.ids[encoded.n_prompt :]
            unknown = tokenizer.unk_token_id
            if reader.unknown == "refused" and unknown in (*prompt, *completion[:-1]):
                yield _unknown(reader, document)
            if completion[-1] != encoder.eos_id or len(completion) < 2:
                yield f"{reader.name}: a completion must have tokens and an end: {document}"
            if reader.unknown == "refused":
                yield from _parted(reader, document, encoder.decode(list(prompt)), "prompt")
                yield from _parted(reader, document, encoder.decode(list(completion)), "completion")


def _unknown(reader: Reader, document: Document) -> str:
    return (
        f"{reader.name} does not know every mark of {document.prompt + document.completion!r}; "
        "use letters, digits and ASCII punctuation, or check with the base that you mean to use"
    )


def _parted(reader: Reader, document: Document, text: str, part: str) -> Iterator[str]:
    """A chat template may wrap a prompt, so it ends or begins elsewhere."""
    wanted = document.prompt if part == "prompt" else document.completion
    if squeezed(wanted) not in squeezed(text):
        yield f"{reader.name} reads the {part} {wanted!r} back as {text!r}"


def fitting_lengths(subject: Subject) -> Iterator[str]:
    """Every document, and every item with its instruction in context, fits a base."""
    from pbb.models.encoding import Encoder

    texts = [document for _, document in training(subject, ARMS)]
    texts += [item for corpus in subject.corpora for item in _in_context(corpus)]
    longest = sorted(texts, key=lambda d: -len(d.prompt + d.completion))[: ENCODED // 4]
    for reader in subject.readers:
        encoder = Encoder(reader.load())
        for document in longest:
            tokens = len(encoder(document).ids)
            if tokens > reader.limit:
                yield (
                    f"{reader.name} reads at most {reader.limit} tokens, and a document of "
                    f"{document.program} has {tokens}; make programs, inputs or traces shorter"
                )


def _in_context(corpus: Corpus) -> Iterator[Document]:
    """Items as the arm `in_context` is asked, with the completion that would be right."""
    domain, told = corpus.domain, Told(corpus.config.representation)
    for program in (*corpus.target, *pairs(corpus.config)):
        shown = instruction_text(domain, program, told, domain.templates.declaration[0])
        for way in domain.formats:
            for i in program.items:
                case, template = program.draft.cases[i], domain.templates.execution[0]
                prompt = execution_prompt(domain, program, case, way, told, template)
                completion = execution_completion(domain, program, case, way, told)
                yield Document(
                    f"{shown}\n{prompt}", completion, "in_context", program.split, program.name
                )


def _program(corpus: Corpus, document: Document) -> Program:
    if document.split == "composed":
        return next(p for p in pairs(corpus.config) if p.name == document.program)
    made = build_corpus(corpus.config).split(document.split)
    return next(p for p in made if p.name == document.program)
