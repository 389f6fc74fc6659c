"""Encoded parts of the reading, in files that several trainings share, and packed into steps.

`python -m pbb.models.nano.shards FOLDER CONTEXT LIBRARY [GRAMMARS]` writes so many parts of each.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pbb.models.nano.library import build_library
from pbb.models.nano.reading import Kind, Passage, read_part
from pbb.models.nano.vocabulary import FastEncoder, vocabulary

LEARNT: Final = 1 << 15
"""This bit of a stored token marks that it carries loss."""
CONTEXT: Final = 512
"""Tokens of a row, and positions that a base knows."""
FULL: Final = 0.97
"""A step ends when so much of its room is taken."""
MAX_WAITING: Final = 64
"""Documents that found no room and wait for the next step; with more the step ends."""
_LOOK_AGAIN_S: Final = 0.5

Tokens = NDArray[np.uint16]


@dataclass(frozen=True)
class Packed:
    """A step's documents in rows of equal length.

    tokens (R, T); owner (R, T) numbers the documents of a row, -1 where there is none; learnt
    (R, T) marks tokens that carry loss.
    """

    tokens: NDArray[np.int64]
    owner: NDArray[np.int16]
    learnt: NDArray[np.bool_]


@cache
def _encoder() -> FastEncoder:
    return FastEncoder()


@cache
def _ends() -> tuple[int, int]:
    ids = vocabulary()
    return ids["<bos>"], ids["<eos>"]


def encode(passage: Passage, ended: bool) -> Tokens:
    """A document's tokens, begin and end included, with their LEARNT bits.

    ended: every answer is followed by the end token, and not the last alone. Uses beyond the first
    are left out where they would not fit into CONTEXT.
    """
    encoder = _encoder()
    begin, end = _ends()
    ids = [begin]
    waiting: list[int] = []
    for text, learnt in passage.texts:
        waiting += [i | (LEARNT if learnt else 0) for i in encoder(text)]
        if not learnt:
            continue
        if len(ids) > 1 and len(ids) + len(waiting) >= CONTEXT:
            break
        ids += [*waiting, end | LEARNT] if ended else waiting
        waiting = []
    return np.array(ids if ended else [*ids, end | LEARNT], dtype=np.uint16)


def write_part(folder: Path, ended: bool, job: tuple[Kind, int]) -> tuple[Kind, int, int]:
    """Make a part and store it; kind, number and tokens."""
    documents = [encode(passage, ended) for passage in read_part(*job)]
    flat = np.concatenate(documents)
    ends = np.cumsum([len(d) for d in documents])
    target = _path(folder, *job)
    scratch = target.with_suffix(f".{os.getpid()}.npz")
    np.savez(scratch, flat=flat, ends=ends)
    scratch.rename(target)
    return *job, len(flat)


def _path(folder: Path, kind: Kind, part: int) -> Path:
    return folder / f"{kind}-{part:05d}.npz"


def documents(kind: Kind, parts: range, ended: bool, folder: Path | None) -> Iterator[Tokens]:
    """All documents of these parts, and then again from the first, for ever. ended: see `encode`.

    folder: waits for the parts that another process writes there; null = makes them itself.
    """
    for part in itertools.cycle(parts):
        if folder is None:
            yield from (encode(passage, ended) for passage in read_part(kind, part))
            continue
        while not (path := _path(folder, kind, part)).exists():
            time.sleep(_LOOK_AGAIN_S)
        with np.load(path) as stored:
            flat, ends = stored["flat"], stored["ends"]
        yield from np.split(flat, ends[:-1])


def packed(next_document: Callable[[], Tokens], rows: int, length: int) -> Iterator[Packed]:
    """Steps of rows x length tokens, filled first-fit; documents longer than a row are left out."""
    waiting: list[Tokens] = []
    while True:
        room = np.full(rows, length)
        count = np.zeros(rows, dtype=np.int16)
        step = Packed(
            np.zeros((rows, length), np.int64),
            np.full((rows, length), -1, np.int16),
            np.zeros((rows, length), np.bool_),
        )
        coming, waiting = waiting, []
        while room.sum() > (1 - FULL) * rows * length and len(waiting) < MAX_WAITING:
            document = coming.pop(0) if coming else next_document()
            size = len(document)
            row = int(np.argmax(room >= size))
            if room[row] >= size:
                place = np.s_[row, length - room[row] : length - room[row] + size]
                step.tokens[place] = document & (LEARNT - 1)
                step.learnt[place] = document >= LEARNT
                step.owner[place] = count[row]
                count[row] += 1
                room[row] -= size
            elif size <= length:
                waiting.append(document)
        waiting += coming
        yield step


def main() -> None:
    """Write parts in parallel, in the order in which trainings need them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("context", type=int)
    parser.add_argument("library", type=int)
    parser.add_argument("grammars", type=int, nargs="?", default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first part")
    parser.add_argument("--ended", action="store_true", help="end every answer; see `encode`")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    build_library()  # once, before the workers are forked
    jobs: list[tuple[float, Kind, int]] = [
        *((n / args.context, "context", n) for n in range(args.context)),
        *(((n + 1) / args.library, "library", n) for n in range(args.library)),
        *((n / args.grammars, "grammars", n) for n in range(args.grammars)),
    ]
    ordered = [(kind, args.first + n) for _, kind, n in sorted(jobs)]
    started, tokens = time.perf_counter(), 0
    with multiprocessing.get_context("fork").Pool(args.workers) as pool:
        written = pool.imap_unordered(partial(write_part, args.folder, args.ended), ordered)
        for done, (_, _, size) in enumerate(written, start=1):
            tokens += size
            if done % 20 == 0 or done == len(ordered):
                elapsed = time.perf_counter() - started
                print(
                    f"{done}/{len(ordered)} parts, {tokens:,} tokens, {elapsed:.0f} s", flush=True
                )


if __name__ == "__main__":
    main()
