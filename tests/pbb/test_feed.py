"""Documents made ahead: the same, in order, whatever the timing; and nothing left running."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.config import TrainStage
from pbb.corpus import build_corpus
from pbb.curricula import compile_run
from pbb.models import encoding
from pbb.models.encoding import AT_ONCE, Encoder
from pbb.sampling import step_documents
from pbb.training.effort import Effort
from pbb.training.feed import Feed
from study.encoders import load_encoder
from tests.pbb.runs import BASE, CORPUS, run


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder("nano-xs")


def the_stage() -> TrainStage:
    stage = compile_run(run("demonstrations"), BASE)[1]
    assert isinstance(stage, TrainStage)
    return stage


class Broken(RuntimeError):
    """Raised by a source, at a place the test chose."""


def slow(items: list[int], pauses: list[float], breaks: bool) -> Iterator[int]:
    for item, pause in zip(items, pauses, strict=True):
        time.sleep(pause)
        yield item
    if breaks:
        raise Broken


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0, 0.002]), st.sampled_from([0, 0.002])), max_size=12),
    st.integers(1, 4),
    st.booleans(),
)
def test_items_come_in_order_and_then_the_sources_end(
    pauses: list[tuple[float, float]], ahead: int, breaks: bool
) -> None:
    items = list(range(len(pauses)))
    taken: list[int] = []
    source = slow(items, [made for made, _ in pauses], breaks)
    with Feed(source, ahead) as feed:
        try:
            for item, (_, pause) in zip(feed, [*pauses, (0, 0)], strict=False):
                time.sleep(pause)
                taken.append(item)
        except Broken:
            assert breaks
        else:
            assert not breaks
        assert taken == items
        with pytest.raises(StopIteration):
            next(feed)


def test_no_more_is_made_than_may_lie_ready() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    with Feed(source(), ahead=3) as feed:
        for taken in range(1, 6):
            next(feed)
            time.sleep(0.02)
            assert taken <= len(made) <= taken + 3


def test_leaving_early_stops_the_thread() -> None:
    before = threading.active_count()
    with pytest.raises(Broken), Feed(iter(int, 1), ahead=2) as feed:
        next(feed)
        raise Broken
    assert threading.active_count() == before


def test_waiting_is_counted() -> None:
    with Feed(slow([1, 2], [0.05, 0.05], False)) as feed:
        list(feed)
    assert 0.08 < feed.waited_s < 5
    with Feed([1] * 5) as feed:
        time.sleep(0.05)
        list(feed)
    assert feed.waited_s < 0.02


def test_a_stream_is_each_document_encoded_by_itself(encoder: Encoder) -> None:
    stage, corpus = the_stage(), build_corpus(CORPUS)
    batches = step_documents(stage, corpus, lambda d: d, lambda d: len(d.prompt))
    documents = list(islice((d for batch in batches for d in batch), 2 * AT_ONCE + 3))
    alone = load_encoder("nano-xs")
    assert list(encoder.stream(documents)) == [alone(document) for document in documents]


def test_an_encoder_may_forget_for_one_thread_what_another_is_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cohort's feeds share it; here one of them fills its memory while another's text is read."""
    monkeypatch.setattr(encoding, "MOST_REMEMBERED", 3)
    shared, alone = load_encoder("nano-xs"), load_encoder("nano-xs")
    texts = ["x = 1", "x = 2"]
    shared.ids(texts[0])
    tokenizer = shared._tokenizer

    def reading(new: list[str], **how: Any) -> Any:
        found = tokenizer(new, **how)
        if texts[1] in new:
            other = threading.Thread(target=list, args=(map(shared.ids, ["y", "y = 3", "z"]),))
            other.start()
            other.join()
        return found

    monkeypatch.setattr(shared, "_tokenizer", reading)
    assert shared._ids(texts) == [alone.ids(text) for text in texts]


def test_effort_is_that_of_the_documents(encoder: Encoder) -> None:
    stage, corpus = the_stage(), build_corpus(CORPUS)
    batches = list(step_documents(stage, corpus, encoder.stream, lambda d: len(d.ids)))
    effort = Effort()
    assert list(effort.counted(batches)) == batches
    documents = [document for batch in batches for document in batch]
    summary = effort.summary([], 1.0, 0.0)
    assert summary.documents == len(documents)
    assert summary.unique_documents == len({d.document for d in documents}) < len(documents)
    assert summary.epochs == summary.documents / summary.unique_documents
    assert summary.tokens == sum(len(d.ids) for d in documents)
    assert summary.target_tokens == sum(d.n_target for d in documents)
    assert summary.replay_tokens == sum(len(d.ids) for d in documents if d.document.replay)
