"""Whether a model can tell an instruction: recited before an answer, or asked for by itself.

An instruction may be told in any phrasing of the corpus's representation. White space does not
count, since tokenizers differ in where they put it.
"""

from __future__ import annotations

import itertools

from pbb.corpus import Corpus
from pbb.documents import TRACE_CUE, Told, recital, told_apart
from pbb.domains.domain import ANSWER_CUE, Program, squeezed


def recited_right(output: str, program: Program, corpus: Corpus) -> bool:
    """Whether what stands before an output's trace and answer is the program's own instruction.

    output: what follows a prompt in the format `recite`. Of a composed program all parts must be
    right, each in a phrasing of its own choice.
    """
    said = squeezed(output)
    ends = (squeezed(TRACE_CUE), squeezed(ANSWER_CUE))
    return any(
        said == told or any(said.startswith(told + end) for end in ends)
        for told in right_recitals(program, corpus)
    )


def recalled_right(output: str, program: Program, corpus: Corpus) -> bool:
    """Whether an output is the program's own instruction and nothing more.

    output: what follows the prompt of a declaration.
    """
    return squeezed(output) in right_recitals(program, corpus)


def right_recitals(program: Program, corpus: Corpus) -> set[str]:
    """The program's instruction in every phrasing, without white space."""
    domain, representation = corpus.domain, corpus.config.representation
    tellings = [Told(representation, i) for i in range(domain.phrasings[representation])]
    return {
        squeezed(recital(domain, program, chosen))
        for chosen in itertools.product(tellings, repeat=len(told_apart(program)))
    }
