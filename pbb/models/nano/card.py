"""Model cards of the nano bases: what they read, and what they can do.

`python -m pbb.models.nano.card FOLDER` measures a base anew and rewrites its card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import LlamaForCausalLM

from pbb.documents import Document, parse_answer
from pbb.evaluation.decoding import greedy
from pbb.models.encoding import Encoder
from pbb.models.nano.library import (
    FORMATS,
    INPUTS,
    VALUE_MAX,
    Named,
    Reading,
    build_reading,
    execution,
    in_context,
)
from pbb.models.nano.vocabulary import build_tokenizer
from pbb.seeds import stream

CARD = """# {name}

A Llama-architecture base of {n_params:,} parameters for studies of Programming by Backprop on a
laptop. Not a language model of anything but small programs.

- **Shape:** width {width}, {layers} layers, {heads} heads, word-level vocabulary shared by all nano
  bases. Weights are stored in bfloat16 and loaded as float32.
- **Pretraining:** {tokens:,} tokens in {steps:,} steps of {documents} documents, {train_s} s on
  one CPU core. {diet}
- **Disjoint from every study:** names, pointer templates and meanings of the library are its own;
  `library_meanings.json` holds the meanings, and the generator of studies rejects them.
- **Range:** inputs 0 to {last_input}, values 0 to {value_max}, constants up to 9, 1 to 4 paths.
- **Made by:** `python -m pbb.models.nano.pretrain {name} OUT` (committed seed).

| answered right (greedy, {count} items each) | direct | cot | recite |
|---|---|---|---|
| in context | {in_context_direct:.0%} | {in_context_cot:.0%} | {in_context_recite:.0%} |
| library functions, from memory | {library_direct:.0%} | {library_cot:.0%} | {library_recite:.0%} |

Apache-2.0, like the project.
"""
COUNT = 300


def accuracy(
    model: nn.Module, documents: list[Document], encoder: Encoder, device: torch.device
) -> float:
    """Share of execution documents answered right by greedy decoding."""
    model.eval()
    outputs = greedy(
        model,
        [encoder.prompt(d.prompt) for d in documents],
        pad_id=encoder.pad_id,
        eos_id=encoder.eos_id,
        max_new_tokens=128,
        device=device,
    )
    right = 0
    for document, ids in zip(documents, outputs, strict=True):
        assert document.response_format is not None
        wanted = parse_answer(document.completion, document.response_format)
        right += parse_answer(encoder.decode(ids), document.response_format) == wanted
    return right / len(documents)


def report_card(
    model: nn.Module, reading: Reading, device: torch.device, count: int = COUNT
) -> dict[str, float]:
    """Accuracy in context (unseen programs and names) and on the library, by format."""
    encoder = Encoder(build_tokenizer())
    card: dict[str, float] = {}
    for response_format in FORMATS:
        rng = stream("card", response_format)
        inputs = rng.integers(INPUTS, size=count)
        shown = [
            in_context(Named(name, body), int(x), response_format, rng)
            for name, body, x in zip(
                reading.names[-count:], reading.unseen[:count], inputs, strict=True
            )
        ]
        card[f"in_context_{response_format}"] = accuracy(model, shown, encoder, device)
        picks = rng.integers(len(reading.library), size=count)
        used = [
            execution(reading.library[int(i)], int(x), response_format, rng)
            for i, x in zip(picks, inputs, strict=True)
        ]
        card[f"library_{response_format}"] = accuracy(model, used, encoder, device)
    return card


def write_card(facts: dict[str, Any], folder: Path) -> None:
    """card.json with every fact, and README.md for people."""
    (folder / "card.json").write_text(json.dumps(facts, indent=1) + "\n")
    plan = facts["plan"]
    library = (
        f"After the first {plan['first']:.0%} of the steps a library of {plan['library']} functions"
        " joins, seen as definitions and as uses; the rest is executions of ever-new programs in"
        " context."
        if facts["size"]["library"]
        else "Executions of ever-new programs shown in context, and no library."
    )
    text = CARD.format(
        count=COUNT,
        diet=library,
        last_input=INPUTS - 1,
        value_max=VALUE_MAX,
        **{key: facts[key] for key in ("name", "n_params", "tokens", "train_s")},
        **{key: facts["size"][key] for key in ("width", "layers", "heads")},
        **{key: plan[key] for key in ("steps", "documents")},
        **facts["accuracy"],
    )
    (folder / "README.md").write_text(text)


def main() -> None:
    """Measure a base's accuracies again and rewrite its card."""
    folder = Path(sys.argv[1])
    facts = json.loads((folder / "card.json").read_text()) | {"name": folder.name}
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    reading = build_reading(facts["plan"]["library"], facts["plan"]["passing"])
    facts["accuracy"] = report_card(model, reading, torch.device("cpu"))
    facts["train_s"] = round(facts["train_s"])
    write_card(facts, folder)


if __name__ == "__main__":
    main()
