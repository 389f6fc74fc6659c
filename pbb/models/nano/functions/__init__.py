"""Random small Python functions over lists, words, numbers and edges: one loop, few statements.

What the nano bases read so that they can follow the easy tier of `algorithms`, none of which they
read. `small_functions.SmallFunctions.drafts` runs each proposal and drops the unfair ones. A draw
that is added, left out or moved changes every function after it, and with them the library.
"""

from __future__ import annotations

import numpy as np

from pbb.models.nano.functions.edges import on_edges
from pbb.models.nano.functions.lists import on_list
from pbb.models.nano.functions.numbers import on_numbers
from pbb.models.nano.functions.parts import Proposal as Proposal
from pbb.models.nano.functions.words import on_word


def propose(rng: np.random.Generator) -> Proposal:
    """One random function; it may well fail, or compute nothing of interest."""
    kinds = (on_list, on_word, on_numbers, on_edges)
    return kinds[int(rng.choice(len(kinds), p=(0.36, 0.28, 0.22, 0.14)))](rng)
