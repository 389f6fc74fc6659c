"""One decoder for the prompts of several adapters, its memory and recordings kept between calls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pbb.evaluation.decoding import Choice, continued
from pbb.evaluation.grid import Grid
from pbb.evaluation.recorded import Steps, steps_of
from pbb.evaluation.waves import NOBODY, Prompt, Wave, waves
from pbb.memory_share import own_bytes
from pbb.models.lean.fixed import fill, fixed, has_frozen_base, shape_of
from pbb.models.lean.llama import Llama
from pbb.models.lean.reading import lean_llama
from pbb.models.precision import widened

CHECK_EVERY: Final = 8
"""Tokens between looks at how many rows go on, for which the device must come to rest."""
FEW: Final = 8
"""Columns that are not made fewer."""
SLOTS: Final = 64
"""Of the cache, those in use are looked at in multiples of it, so that few shapes are met."""
MEMORY_SHARE: Final = 0.35
"""Of the GPU memory that is ours, for the cache and the logits; what needs more goes in waves."""
MEMORY_BYTES: Final = 2**30
"""The same on CPU."""


class Resident:
    """Decodes on one device. `forget` frees what it keeps."""

    def __init__(self, device: torch.device, steps: Steps | None = None) -> None:
        """steps: how steps are run; null = as suits the device."""
        self._steps = steps or steps_of(device)
        self._grid: Grid | None = None
        self._kind: tuple[object, ...] = ()
        cuda = device.type == "cuda"
        self._most_bytes = int(MEMORY_SHARE * own_bytes(device)) if cuda else MEMORY_BYTES

    def forget(self) -> None:
        """Free the cache and the recordings."""
        self._grid = None
        self._steps.forget()

    def continued(
        self,
        model: nn.Module,
        prompts: Sequence[Prompt],
        choose: Choice,
        *,
        pad_id: int,
        eos_id: int,
        max_new_tokens: int,
        device: torch.device,
    ) -> list[list[int]]:
        """As `pbb.evaluation.decoding.continued`, which stands in for models that are not lean or
        whose every weight is trained."""
        llama = lean_llama(model)
        if llama is None or not has_frozen_base(llama):
            return continued(
                model,
                prompts,
                choose,
                pad_id=pad_id,
                eos_id=eos_id,
                max_new_tokens=max_new_tokens,
                device=device,
            )
        (answers,) = self.together(
            llama,
            [prompts],
            choose,
            columns=len(prompts),
            eos_id=eos_id,
            max_new_tokens=max_new_tokens,
        )
        return answers

    @torch.inference_mode()
    def together(
        self,
        llama: Llama,
        prompts: Sequence[Sequence[Prompt]],
        choose: Choice,
        *,
        columns: int,
        eos_id: int,
        max_new_tokens: int,
    ) -> list[list[list[int]]]:
        """The continuation of each adapter's prompts, without the end token.

        llama: with the adapters side by side. choose: gets prompts' numbers counted through all
        adapters, one after the other; what it chooses in places that no prompt takes goes nowhere.
        columns: of one adapter's prompts, so many are decoded together at most.
        """
        longest = max((len(p) for own in prompts for p in own), default=0)
        most = max(map(len, prompts))
        if most == 0:
            return [[] for _ in prompts]
        slots = _multiple(longest + max_new_tokens, SLOTS)
        with torch.autocast(llama.embedding.device.type, enabled=False):
            at_once = min(columns, most, self._columns(llama, len(prompts), slots))
            grid = self._grid_for(llama, len(prompts), _roomy(at_once), slots)
            answers: dict[int, list[int]] = {}
            for wave in waves(prompts, at_once):
                answers |= self._answered(grid, wave, choose, eos_id, max_new_tokens)
        numbers = iter(range(len(answers)))
        return [[answers[next(numbers)] for _ in own] for own in prompts]

    def _answered(
        self, grid: Grid, wave: Wave, choose: Choice, eos_id: int, most_new: int
    ) -> dict[int, list[int]]:
        """The answers to a wave's prompts by their numbers."""
        logits = grid.read(wave)
        wider = _roomy(logits.shape[1]) - logits.shape[1]
        logits = F.pad(logits, (0, 0, 0, wider)).flatten(0, 1)
        numbers = F.pad(torch.tensor(wave.numbers).to(logits.device), (0, wider), value=NOBODY)
        going = numbers != NOBODY
        origins = torch.arange(numbers.shape[1], device=logits.device).expand_as(numbers)
        said = numbers.new_full((*numbers.shape, most_new), eos_id)
        for step in range(most_new):
            chosen = choose(logits, step, numbers.clamp(min=0).flatten()).view_as(numbers)
            going = going & (chosen != eos_id)
            said[:, :, step].scatter_(1, origins, torch.where(going, chosen, eos_id))
            if step == most_new - 1:
                break
            if step % CHECK_EVERY == CHECK_EVERY - 1:
                left = int(going.sum(dim=1).max())
                if left == 0:
                    break
                fewer = _halved(numbers.shape[1], left)
                if fewer < numbers.shape[1]:
                    kept = going.to(torch.int8).argsort(dim=1, descending=True, stable=True)
                    kept = kept[:, :fewer]
                    grid.keep(kept, wave.longest + step)
                    numbers, origins, going, chosen = (
                        each.gather(1, kept) for each in (numbers, origins, going, chosen)
                    )
            logits = self._next(grid, chosen, wave.longest + step + 1)
        return _ended(wave, said.tolist(), eos_id)

    def _next(self, grid: Grid, chosen: Tensor, used: int) -> Tensor:
        """Logits (adapters x columns, V) after one more token each. used: slots of the longest."""
        columns, slots = chosen.shape[1], min(_multiple(used, SLOTS), grid.slots)
        grid.tokens[:, :columns] = chosen
        scores = self._steps((columns, slots), lambda: grid.step(columns, slots))
        grid.used[:, :columns] += 1
        return widened(scores)

    def _columns(self, llama: Llama, adapters: int, slots: int) -> int:
        """So many fit into memory."""
        shape, kind = llama.shape, llama.embedding
        cached = 2 * len(llama.layers) * shape.key_heads * shape.head_dim * slots * kind.itemsize
        judged = len(llama.head) * (kind.itemsize + 4 + 3 * 8)  # scores, logits; drawing's float64
        return max(1, self._most_bytes // (adapters * (cached + judged)))

    def _grid_for(self, llama: Llama, adapters: int, columns: int, slots: int) -> Grid:
        """The one at hand, with these adapters in it, or a new one."""
        kind = (llama.embedding.data_ptr(), adapters, shape_of(llama))
        grid = self._grid
        if grid is not None and self._kind == kind:
            if grid.columns >= columns and grid.slots >= slots:
                grid.clear()
                fill(grid.llama, llama)
                return grid
            wider, longer = max(columns, grid.columns), max(slots, grid.slots)
            if wider <= self._columns(llama, adapters, longer):
                columns, slots = wider, longer
        del grid
        self.forget()
        self._kind = kind
        self._grid = Grid(fixed(llama), columns, slots)
        return self._grid


def _multiple(count: int, of: int) -> int:
    return -(-count // of) * of


def _roomy(columns: int) -> int:
    """The least of few sizes that holds so many: four to a doubling, from FEW on."""
    return _multiple(columns, max(FEW, 2 ** math.ceil(math.log2(columns)) // 8))


def _halved(columns: int, left: int) -> int:
    """The least that halving leaves and that holds those left; few are as fast as fewer."""
    while columns > FEW and -(-columns // 2) >= left:
        columns = -(-columns // 2)
    return columns


def _ended(wave: Wave, said: list[list[list[int]]], eos_id: int) -> dict[int, list[int]]:
    return {
        number: ids[: ids.index(eos_id)] if eos_id in ids else ids
        for numbers, own in zip(wave.numbers, said, strict=True)
        for number, ids in zip(numbers, own, strict=False)
        if number != NOBODY
    }
