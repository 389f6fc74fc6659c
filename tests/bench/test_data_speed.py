"""The benchmark measures what it says."""

import pytest

from pbb.config import Declarations
from pbb.corpus import build_corpus
from study.encoders import load_encoder
from tests.bench import data_speed
from tests.bench.data_speed import at_once, document_speeds, sources, speed, stages, table
from tests.pbb.runs import CORPUS


def test_every_kind_of_document_has_a_speed() -> None:
    rows = list(document_speeds(["arithmetic"], "nano-xs", 40, 1))
    kinds = set(sources(build_corpus(CORPUS)))
    assert {(r["representation"], r["kind"]) for r in rows} == {
        (way, kind) for way in ("code", "prose") for kind in kinds
    }
    for row in rows:
        parts = 1 / row["documents_per_s"] + 1 / row["encoded_per_s"]
        assert 1 / row["both_per_s"] == pytest.approx(parts)
    assert len(table("title", rows).splitlines()) == len(rows) + 3


def test_tokens_are_those_of_the_documents() -> None:
    encoder, source = load_encoder("nano-xs"), Declarations(split="target")
    found = speed(source, build_corpus(CORPUS), encoder, 30)
    made = data_speed.documents(source, build_corpus(CORPUS))
    tokens = sum(len(encoder(next(made)).ids) for _ in range(30))
    assert found["tokens_per_document"] == tokens / 30


def test_a_trainer_takes_every_step() -> None:
    found = at_once("nano-xs", 1, False, 2)
    assert found["steps"] == 2 * len(stages("nano-xs", 2))
    assert 0 <= found["wait_s"] < found["wall_s"]
