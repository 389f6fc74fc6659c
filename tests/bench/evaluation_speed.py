"""Speed of answering, side by side in one process: `python -m tests.bench.evaluation_speed`.

Answers and new tokens a second to the same prompts: by transformers' generate with a peft adapter
loaded, at the best of several batch sizes and with prompts sorted by their length; by this project
with one adapter, and with several side by side; by vLLM where it is installed. Contenders take
turns; shown are medians over the rounds. Every answer ends where it is told to, at lengths like the
quickstart's, for random weights would not end. Seconds as in `tests.bench.training`; vLLM's are
of the clock, its start-up apart.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from transformers import StoppingCriteria, StoppingCriteriaList

from pbb.evaluation.cohort_decoding import Resident
from pbb.evaluation.decoding import Choice, Continue, continued
from pbb.models.adapters import Attached
from pbb.models.lean.reading import lean_llama
from pbb.models.precision import autocast
from pbb.models.stacked import Stack
from tests.bench.plain import left_padded
from tests.bench.training import QUARTILES, SETTINGS, TARGET_SHARE, Bench, Setting

EOS: Final = 0
ITEMS: Final = {"cpu": 512, "cuda": 2048}
"""Asked of each adapter."""
BATCHES: Final = {"cpu": (32, 128), "cuda": (1024, 2048)}
"""That generate is tried with."""
COLUMNS: Final = {"cpu": (256,), "cuda": (256, 1024)}
TOGETHER: Final = {"cpu": (256,), "cuda": (256, 512)}
"""Of an adapter by itself, that ours is tried with; side by side it has the first."""
COHORTS: Final = {"cpu": (4,), "cuda": (4, 16)}


@dataclass(frozen=True)
class Asked:
    """Prompts, shorter ones first; lengths: of the answers in tokens, without the end token."""

    prompts: list[list[int]]
    lengths: list[int]

    @property
    def most_new(self) -> int:
        return max(self.lengths) + 1

    def ending(self, device: torch.device) -> Choice:
        """The likeliest token that is not the end, or the end where it is due."""
        due = torch.tensor(self.lengths, device=device)

        def choose(logits: Tensor, step: int, rows: Tensor) -> Tensor:
            likeliest = logits[:, 1:].argmax(dim=-1) + 1
            return torch.where(due[rows % len(due)] == step, EOS, likeliest)

        return choose


def asked(setting: Setting, count: int) -> Asked:
    """Prompts of random tokens. Documents are as long as those of `Bench`, answers their share."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(count):
        length = int(np.interp(rng.random(), (0, 0.25, 0.5, 0.75, 1), QUARTILES) * setting.lengths)
        answer = max(1, int(length * TARGET_SHARE))
        prompt = rng.integers(3, setting.shape["vocab_size"], length - answer).tolist()
        pairs.append((prompt, answer))
    pairs.sort(key=lambda pair: len(pair[0]))
    return Asked([prompt for prompt, _ in pairs], [answer for _, answer in pairs])


class _Due(StoppingCriteria):  # type: ignore[misc]
    """Ends each row at its answer's length."""

    def __init__(self, width: int, lengths: Tensor) -> None:
        self._ends = width + lengths

    def __call__(self, input_ids: Tensor, scores: Any, **settings: Any) -> Tensor:
        return self._ends <= input_ids.shape[1]


# --- contenders: each answers everything once and gives its seconds


def by_generate(bench: Bench, given: Asked, batch: int) -> float:
    """transformers' own, with left padding and its cache."""
    with _one_adapter(bench) as model, torch.inference_mode():
        began = bench.seconds()
        for start in range(0, len(given.prompts), batch):
            prompts = given.prompts[start : start + batch]
            lengths = torch.tensor(given.lengths[start : start + batch], device=bench.device)
            tokens, mask = left_padded(prompts, EOS)
            width = tokens.shape[1]
            with autocast(bench.setting.numerics, bench.device):
                found = model.generate(
                    tokens.to(bench.device),
                    attention_mask=mask.to(bench.device),
                    max_new_tokens=int(lengths.max()),
                    do_sample=False,
                    eos_token_id=None,
                    pad_token_id=EOS,
                    stopping_criteria=StoppingCriteriaList([_Due(width, lengths)]),
                )
            assert found.shape == (len(prompts), width + int(lengths.max()))
        return bench.seconds() - began


def ours_alone(bench: Bench, given: Asked, by: Continue, columns: int) -> float:
    """One adapter, a batch of items after the other, as an evaluation stage by itself."""
    with _one_adapter(bench) as model:
        began = bench.seconds()
        for start in range(0, len(given.prompts), columns):
            part = slice(start, start + columns)
            batch = Asked(given.prompts[part], given.lengths[part])
            with autocast(bench.setting.numerics, bench.device):
                answers = by(
                    model,
                    batch.prompts,
                    batch.ending(bench.device),
                    pad_id=EOS,
                    eos_id=EOS,
                    max_new_tokens=batch.most_new,
                    device=bench.device,
                )
            assert [len(ids) for ids in answers] == batch.lengths
        return bench.seconds() - began


def ours_together(
    bench: Bench, given: Asked, resident: Resident, adapters: int, columns: int
) -> float:
    """Several adapters, each asked everything."""
    llama = lean_llama(bench.base)
    assert llama is not None
    stack = Stack(llama, [bench.lora] * adapters)
    began = bench.seconds()
    answers = resident.together(
        stack.llama,
        [given.prompts] * adapters,
        given.ending(bench.device),
        columns=columns,
        eos_id=EOS,
        max_new_tokens=given.most_new,
    )
    assert all([len(ids) for ids in own] == given.lengths for own in answers)
    return bench.seconds() - began


class Vllm:
    """vLLM with one adapter. startup_s: until it answered for the first time."""

    def __init__(self, bench: Bench, given: Asked) -> None:
        from vllm import LLM, SamplingParams  # type: ignore[import-not-found]
        from vllm.lora.request import LoRARequest  # type: ignore[import-not-found]

        folder = Path(tempfile.mkdtemp())
        began = time.perf_counter()
        bench.base.save_pretrained(folder / "base")
        with Attached(bench.base, "base", bench.lora, seed=0) as attached:
            (folder / "adapter").mkdir()
            attached.save(folder / "adapter")
        self._llm = LLM(
            str(folder / "base"),
            skip_tokenizer_init=True,
            dtype=bench.setting.numerics.dtype,
            enable_lora=True,
            max_lora_rank=max(8, bench.rank),
            gpu_memory_utilization=0.25,
            max_model_len=512,
        )
        self._adapter = LoRARequest("adapter", 1, str(folder / "adapter"))
        self._prompts = [{"prompt_token_ids": prompt} for prompt in given.prompts]
        self._settings = [
            SamplingParams(temperature=0.0, max_tokens=n, ignore_eos=True, detokenize=False)
            for n in given.lengths
        ]
        self()
        self.startup_s = time.perf_counter() - began

    def __call__(self) -> float:
        began = time.perf_counter()
        self._llm.generate(
            self._prompts, self._settings, lora_request=self._adapter, use_tqdm=False
        )
        return time.perf_counter() - began


@contextmanager
def _one_adapter(bench: Bench) -> Iterator[Any]:
    with Attached(bench.base, "base", bench.lora, seed=0) as attached:
        attached.model.to(bench.device)
        yield attached.model


# --- the table


@dataclass
class Contender:
    """run: gives its seconds. kind: of several ways of one kind, the best is shown."""

    kind: str
    adapters: int
    batch: int
    run: Callable[[], float]


def contenders(bench: Bench, given: Asked, cohorts: Sequence[int]) -> list[Contender]:
    """All that are there to be measured."""
    kind = bench.device.type
    found = [
        Contender("generate + peft", 1, size, lambda size=size: by_generate(bench, given, size))
        for size in BATCHES[kind]
    ]
    for columns in COLUMNS[kind]:
        # As the engine chooses.
        by = Resident(bench.device).continued if kind == "cuda" else continued
        found.append(
            Contender(
                "ours, one adapter",
                1,
                columns,
                lambda by=by, columns=columns: ours_alone(bench, given, by, columns),
            )
        )
    own = Resident(bench.device)
    for size, columns in itertools.product(cohorts, TOGETHER[kind]):
        found.append(
            Contender(
                f"ours, {size} side by side",
                size,
                columns,
                lambda size=size, columns=columns: ours_together(bench, given, own, size, columns),
            )
        )
    return found


def measured(
    bench: Bench, given: Asked, found: Sequence[Contender], rounds: int
) -> list[dict[str, Any]]:
    """A row a kind of contender: the way of it that answered fastest."""
    cuda = bench.device.type == "cuda"
    spent: list[list[float]] = [[] for _ in found]
    memory: list[float | None] = [None for _ in found]
    for turn in range(rounds + 1):  # the first warms up
        for i, contender in enumerate(found):
            gc.collect()
            if cuda:
                torch.cuda.reset_peak_memory_stats()
            seconds = contender.run()
            if turn:
                spent[i].append(seconds)
            memory[i] = torch.cuda.max_memory_allocated() / 2**20 if cuda else None
            print(f"{turn} {contender.kind} ({contender.batch}): {seconds:.2f} s", flush=True)
    rows: dict[str, dict[str, Any]] = {}
    for contender, seconds_, peak in zip(found, spent, memory, strict=True):
        row = _row(given, contender, seconds_, peak)
        best = rows.get(contender.kind)
        if best is None or row["answers_per_s"] > best["answers_per_s"]:
            rows[contender.kind] = row
    return list(rows.values())


def _row(
    given: Asked, contender: Contender, seconds: Sequence[float], memory: float | None
) -> dict[str, Any]:
    middle = statistics.median(seconds)
    return {
        "contender": contender.kind,
        "adapters": contender.adapters,
        "batch": contender.batch,
        "answers_per_s": round(contender.adapters * len(given.prompts) / middle, 1),
        "tokens_per_s": round(contender.adapters * sum(given.lengths) / middle),
        "seconds": [round(s, 4) for s in seconds],
        "peak_memory_mib": memory,
    }


def profile(contender: Contender) -> str:
    """Where its time goes, as torch's profiler tells it."""
    with torch.profiler.profile() as seen:
        contender.run()
    by = "device_time_total" if torch.cuda.is_available() else "cpu_time_total"
    return f"{contender.kind}\n{seen.key_averages().table(sort_by=by, row_limit=40)}\n"


def absent() -> list[str]:
    """Contenders that are not there to be measured."""
    return [name for name in ("vllm",) if importlib.util.find_spec(name) is None]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """As Markdown."""
    first = rows[0]["answers_per_s"]
    lines = [
        "| contender | batch | answers/s | new tokens/s | times generate | peak MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        memory = "" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']:,.0f}"
        lines.append(
            f"| {row['contender']} | {row['batch']} | {row['answers_per_s']:,} "
            f"| {row['tokens_per_s']:,} | {row['answers_per_s'] / first:.2f} | {memory} |"
        )
    return "\n".join([*lines, *(f"| {name} | not installed | | | | |" for name in absent())])


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=SETTINGS, default="cpu")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--items", type=int, help="asked of each adapter")
    parser.add_argument("--cohorts", type=int, nargs="*")
    parser.add_argument("--profile", type=Path, help="where the last contender's kernels go")
    parser.add_argument("--json", type=Path, default=Path("evaluation_speed.json"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.backends.cuda.enable_cudnn_sdp(False)  # as the engine does
    setting = SETTINGS[args.device]
    items = args.items or ITEMS[args.device]
    bench = Bench(setting, torch.device(args.device), args.rank, steps=0, adapters=1)
    given = asked(setting, items)
    found = contenders(bench, given, args.cohorts or COHORTS[args.device])
    ours = found[-1]
    startup_s = None
    if not absent() and args.device == "cuda":
        vllm = Vllm(bench, given)
        startup_s = round(vllm.startup_s, 1)
        found.append(Contender("vLLM, one adapter", 1, items, vllm))
    rows = measured(bench, given, found, args.rounds)
    if args.profile:
        args.profile.write_text(profile(ours))
    about = {
        "model": setting.name,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else "cpu, one thread",
        "torch": torch.__version__,
        "rank": args.rank,
        "items": items,
        "prompt_tokens": sum(map(len, given.prompts)),
        "answer_tokens": sum(given.lengths),
        "vllm_startup_s": startup_s,
        "not_installed": absent(),
    }
    args.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    print(f"{about}\n{table(rows)}")


if __name__ == "__main__":
    main()
