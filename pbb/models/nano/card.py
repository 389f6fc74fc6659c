"""Model cards of the nano bases: what they read, and what they can do.

`python -m pbb.models.nano.card FOLDER` measures a base and writes its card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import nn
from transformers import LlamaForCausalLM

from pbb.models.encoding import Encoder
from pbb.models.nano.exam import Mark, marks
from pbb.models.nano.library import build_library
from pbb.models.nano.vocabulary import build_tokenizer

CARD: Final = """# {name}

A Llama-architecture base of {n_params:,} parameters for studies of Programming by Backprop on a
laptop. Not a language model of anything but small programs.

- **Shape:** width {width}, {layers} layers, {heads} heads, word-level vocabulary shared by all nano
  bases. Weights are stored in bfloat16 and loaded as float32.
- **Pretraining:** {effort}.
  {diet}
- **Programs:** arithmetic, ciphers, grammars and small Python functions, told in code and in prose;
  none of the functions of `algorithms` is among them.
- **Disjoint from every study:** names, pointer templates and meanings of the library are its own;
  `library_meanings.json` holds the meanings, and the generator of studies rejects them.
- **Made by:** `python -m pbb.models.nano.pretrain {name} OUT` (committed seed).

Answered right, of {items} items a figure or somewhat fewer: greedy decoding, but sampling at
temperature 1 for grammars. `context`: programs that it has not read, shown before the question (of
`algorithms`, the whole easy tier). `library`: from memory. `composed`: one program applied to what
another gives. Chance: the better of the commonest answer and copying the input, or what the domain
says.

{table}

Apache-2.0, like the project.
"""


def write_card(facts: dict[str, Any], folder: Path) -> None:
    """card.json with every fact, and README.md for people once there are marks."""
    folder.joinpath("card.json").write_text(json.dumps(facts, indent=1) + "\n")
    if "marks" not in facts:
        return
    plan, size = facts["stages"][0]["plan"], facts["size"]
    diet = (
        f"After the first {plan['first']:.0%} of the steps a library of {facts['library']:,} "
        f"programs\n  joins, {plan['library']:.0%} of the tokens, seen as definitions and as uses; "
        "the rest is executions of\n  ever-new programs in context."
        if size["library"]
        else "Executions of ever-new programs shown in context, and no library."
    )
    text = CARD.format(
        diet=diet,
        table=table(facts["marks"]),
        items=max(mark["items"] for mark in facts["marks"]),
        effort=";\n  ".join(map(_effort, facts["stages"])),
        **{key: facts[key] for key in ("name", "n_params")},
        **{key: size[key] for key in ("width", "layers", "heads")},
    )
    folder.joinpath("README.md").write_text(text)


def _effort(stage: dict[str, Any]) -> str:
    plan = stage["plan"]
    return (
        f"{plan.get('aim', '')}{stage['tokens']:,} tokens in {plan['steps']:,} steps, "
        f"{stage['train_s']} s on {stage['device']}"
    )


def table(found: Sequence[Mark]) -> str:
    """Marks as a Markdown table: a row for each domain, place and representation."""
    lines = ["| domain | where | told in | direct | cot | recite | chance |", "|---|" + "---|" * 6]
    for (domain, where, told), group in groupby(found, key=_row):
        in_row = {mark["format"]: mark for mark in group}
        cells = [
            f"{in_row[each]['accuracy']:.0%}" if each in in_row else ""
            for each in ("direct", "cot", "recite")
        ]
        chance = next(iter(in_row.values()))["chance"]
        lines.append(f"| {domain} | {where} | {told} | {' | '.join(cells)} | {chance:.0%} |")
    return "\n".join(lines)


def _row(mark: Mark) -> tuple[str, str, str]:
    return mark["domain"], mark["where"], mark["representation"]


def main() -> None:
    """Measure a base and rewrite its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    facts = json.loads((args.folder / "card.json").read_text()) | {"name": args.folder.name}
    device = torch.device(args.device)
    model = LlamaForCausalLM.from_pretrained(args.folder, dtype=torch.float32)
    cast(nn.Module, model).to(device)
    facts["library"] = len(build_library())
    facts["marks"] = marks(model, Encoder(build_tokenizer()), device)
    write_card(facts, args.folder)
    print(table(facts["marks"]))


if __name__ == "__main__":
    main()
