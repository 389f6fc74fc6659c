"""What is taught earns all; what only looks like it earns a little; the rest earns nothing."""

from __future__ import annotations

from itertools import islice

import pytest
import torch

from pbb.config import Executions, Representation, ResponseFormat
from pbb.corpus import Corpus, build_corpus
from pbb.documents import Document
from pbb.models.encoding import Encoder
from pbb.models.loading import load_base
from pbb.models.registry import resolve
from pbb.sampling import source_documents
from pbb.seeds import stream
from pbb.training.rewards import Judged, judged, well_formed
from tests.pbb.test_leakage import TOLD, corpus_config

FORMAT_REWARD = 0.1


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_base(resolve("nano-xs"), "float32", torch.device("cpu"))[1]


def executions(corpus: Corpus) -> list[Document]:
    source = Executions(split="acquisition", formats=corpus.domain.formats)
    return list(islice(source_documents(source, corpus, 1, stream("test-rewards")), 45))


def judge(corpus: Corpus, document: Document, output: str, *, ended: bool = True) -> Judged:
    (program,) = (p for p in corpus.acquisition if p.name == document.program)
    assert document.input is not None and document.response_format is not None
    return judged(
        corpus.domain,
        program,
        document.input,
        output,
        document.response_format,
        ended=ended,
        format_reward=FORMAT_REWARD,
    )


@pytest.mark.parametrize(("kind", "told"), TOLD)
def test_a_completion_of_training_earns_all_and_a_wrong_answer_in_its_form_a_little(
    kind: str, told: Representation, encoder: Encoder
) -> None:
    corpus = build_corpus(corpus_config(kind, told, 3))
    for document in executions(corpus):
        text = document.completion
        head, cue, _ = text.rpartition("answer:") if "answer:" in text else ("", "", text)
        # A grammar's answers count as right where they are new, and these are what is shown.
        best = Judged(False, FORMAT_REWARD) if corpus.domain.sampled else Judged(True, 1.0)
        assert judge(corpus, document, text) == best, text
        read_back = encoder.decode(encoder.ids(text))
        assert judge(corpus, document, read_back) == best, read_back
        wrong = f"{head}{cue} @"
        assert judge(corpus, document, wrong) == Judged(False, FORMAT_REWARD)
        assert judge(corpus, document, wrong, ended=False) == Judged(False, 0.0)
        assert judge(corpus, document, f"{head}{cue}") == Judged(False, 0.0)
        assert judge(corpus, document, f"{wrong}\nanswer: @") == Judged(False, 0.0)
        assert judge(corpus, document, f"{wrong}\n@") == Judged(False, 0.0)


def test_a_new_sentence_of_a_grammar_earns_all() -> None:
    corpus = build_corpus(corpus_config("grammars", "code", 3))
    for document in executions(corpus):
        (program,) = (p for p in corpus.acquisition if p.name == document.program)
        head = document.completion.rpartition("answer:")[0]
        for item in program.items:
            new = program.draft.cases[item].answer
            said = f"{head}answer: {new}" if head else f" {new}"
            assert judge(corpus, document, said) == Judged(True, 1.0)


@pytest.mark.parametrize(
    ("response_format", "traced", "output", "formed"),
    [
        ("direct", True, " 5", True),
        ("direct", True, " 5\n", True),
        ("direct", True, " 3 5\nanswer: 5", False),
        ("direct", True, " ", False),
        ("cot", True, " 3 5\nanswer: 5", True),
        ("cot", True, " 3 5 \n answer : 5", True),
        ("cot", True, "\nanswer: 5", False),
        ("cot", True, " answer: 5", False),
        ("cot", True, " 3 5\nanswer:", False),
        ("cot", True, " 3 5 answer: 5", False),
        ("cot", True, " 3 5\nanswer: 5\nanswer: 6", False),
        ("recite", True, "\n    return x\ntrace: 3 5\nanswer: 5", True),
        ("recite", True, "\n    return x\nanswer: 5", False),
        ("recite", True, "\ntrace: 3 5\nanswer: 5", False),
        ("recite", True, "\n    return x\ntrace:\nanswer: 5", False),
        ("recite", False, "\n<s> ::= a\nanswer: a", True),
        ("recite", False, "\nanswer: a", False),
    ],
)
def test_the_form_asked_for(
    response_format: ResponseFormat, traced: bool, output: str, formed: bool
) -> None:
    assert well_formed(output, response_format, traced=traced) is formed
