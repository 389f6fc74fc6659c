"""Sampling follows the model's distribution, and a row's draw is its own."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from transformers import LlamaForCausalLM

from pbb.evaluation.decoding import greedy
from pbb.evaluation.sampling_decoder import sampled
from pbb.seeds import stream
from tests.pbb.tiny import CPU, END, PAD, VOCABULARY, tiny_model

PROMPT = (3, 4, 5)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    """Tiny, random, and far from uniform in what it says."""
    return tiny_model(spread=0.5).eval()


def drawn(
    model: LlamaForCausalLM,
    prompts: list[tuple[int, ...]],
    uniforms: NDArray[np.float64],
    temperature: float = 1.0,
) -> list[list[int]]:
    return sampled(
        model,
        prompts,
        uniforms=uniforms,
        pad_id=PAD,
        eos_id=END,
        max_new_tokens=uniforms.shape[1],
        device=CPU,
        temperature=temperature,
    )


def probabilities(
    model: LlamaForCausalLM, tokens: tuple[int, ...], temperature: float
) -> NDArray[np.float64]:
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0, -1].double()
    return (logits / temperature).softmax(-1).numpy()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax_probabilities(
    model: LlamaForCausalLM, temperature: float
) -> None:
    """Of the first token and of the second after each first, by chi-square."""
    rows = 4000
    uniforms = stream("test-sampling", str(temperature)).random((rows, 2))
    said = drawn(model, [PROMPT] * rows, uniforms, temperature)
    first = np.bincount([row[0] if row else END for row in said], minlength=VOCABULARY)
    assert p_value(first, probabilities(model, PROMPT, temperature)) > 1e-3
    judged = 0
    for token in range(VOCABULARY):
        seconds = [(*row, END)[1] for row in said if row and row[0] == token]
        if len(seconds) > 500:
            wanted = probabilities(model, (*PROMPT, token), temperature)
            assert p_value(np.bincount(seconds, minlength=VOCABULARY), wanted) > 1e-3
            judged += 1
    assert judged


def p_value(counts: NDArray[np.int64], wanted: NDArray[np.float64]) -> float:
    """Of a chi-square test; cells that expect fewer than five are put together."""
    expected = wanted * counts.sum()
    rare = expected < 5
    cells = [np.append(values[~rare], values[rare].sum()) for values in (counts, expected)]
    cells = [values[:-1] if cells[1][-1] == 0 else values for values in cells]
    return float(stats.chisquare(cells[0], cells[1] * cells[0].sum() / cells[1].sum()).pvalue)


def test_a_row_depends_on_its_prompt_and_its_numbers_alone(model: LlamaForCausalLM) -> None:
    rng = stream("test-rows")
    prompts = [tuple(rng.integers(2, VOCABULARY, size=n).tolist()) for n in rng.integers(1, 20, 24)]
    uniforms = rng.random((24, 15))
    together = drawn(model, prompts, uniforms)
    assert len({tuple(row) for row in together}) > 12
    alone = [drawn(model, [prompts[i]], uniforms[i : i + 1])[0] for i in range(24)]
    assert alone == together
    order = rng.permutation(24)
    shuffled = drawn(model, [prompts[i] for i in order], uniforms[order])
    assert shuffled == [together[i] for i in order]
    assert drawn(model, prompts, uniforms) == together


def test_fewer_tokens_are_a_prefix(model: LlamaForCausalLM) -> None:
    uniforms = stream("test-prefix").random((8, 12))
    whole = drawn(model, [PROMPT] * 8, uniforms)
    assert drawn(model, [PROMPT] * 8, uniforms[:, :5]) == [row[:5] for row in whole]


def test_no_temperature_left_is_greedy(model: LlamaForCausalLM) -> None:
    prompts = [PROMPT, (7,), (9, 2, 2, 8)]
    likeliest = greedy(model, prompts, pad_id=PAD, eos_id=END, max_new_tokens=9, device=CPU)
    assert drawn(model, prompts, stream("test-cold").random((3, 9)), 1e-4) == likeliest


def test_extreme_numbers_give_tokens_that_can_be_drawn(model: LlamaForCausalLM) -> None:
    """At so low a temperature most probabilities are exactly 0, those of the first ids too."""
    first, last = 0, 0
    for token in range(VOCABULARY):
        likely = probabilities(model, (token,), 1e-3)
        first, last = first + (likely[0] == 0), last + (likely[-1] == 0)
        for number in (0.0, np.nextafter(1.0, 0.0)):
            said = drawn(model, [(token,)], np.array([[number]]), 1e-3)[0]
            assert likely[said[0] if said else END] > 0
    assert first and last


def test_what_gives_no_draw_is_refused(model: LlamaForCausalLM) -> None:
    with pytest.raises(ValueError, match="uniforms of shape"):
        sampled(
            model,
            [PROMPT],
            uniforms=np.zeros((2, 3)),
            pad_id=PAD,
            eos_id=END,
            max_new_tokens=3,
            device=CPU,
        )
    for temperature in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature"):
            drawn(model, [PROMPT], np.zeros((1, 3)), temperature)
