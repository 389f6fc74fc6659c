"""A function that keeps something from one call to the next is refused, and told where it does."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from pbb.domains.algorithms.cases import prepare
from pbb.domains.algorithms.reading import read_folder
from pbb.domains.configs import FunctionSource
from tests.pbb.test_faithful_functions import DRAWN, INPUTS

KEPT = {
    "a counter": (
        """
        C = [0]
        def f(n):
            C[0] += 1
            return n * 2 + C[0]
        """,
        "changes C, line 4",
    ),
    "a helper's memo table": (
        """
        MEMO = {}
        def _g(n):
            if n not in MEMO:
                MEMO[n] = n * n
            return MEMO[n]
        def f(n):
            return _g(n) + 1
        """,
        "changes MEMO, line 5",
    ),
    "a nested function's list": (
        """
        SEEN = []
        def f(n):
            def note(m):
                SEEN.append(m)
                return len(SEEN)
            return note(n) + n
        """,
        "changes SEEN, line 5",
    ),
    "a lambda's list": (
        """
        SEEN = []
        _note = lambda n: SEEN.insert(0, n)
        def f(n):
            _note(n)
            return len(SEEN) + n
        """,
        "changes SEEN, line 3",
    ),
    "a class that counts its own": (
        """
        class _Box:
            count = 0
            def __init__(self):
                _Box.count += 1
        def f(n):
            _Box()
            return _Box.count + n
        """,
        "changes _Box, line 5",
    ),
    "an attribute of its own": (
        """
        def f(n):
            f.last = n
            return f.last * 2 + 1
        """,
        "changes f, line 3",
    ),
    "an iterator": (
        """
        from itertools import count
        IDS = count()
        def f(n):
            return next(IDS) + n
        """,
        "changes IDS, line 5",
    ),
    "a heap": (
        """
        from heapq import heappush
        HEAP = []
        def f(n):
            heappush(HEAP, n)
            return HEAP[0] + n
        """,
        "changes HEAP, line 5",
    ),
    "a default": (
        """
        def f(n, seen=[]):
            seen.append(n)
            return len(seen) + n
        """,
        "changes seen, line 3",
    ),
}
"""Text, and what is said of it: the second call would answer otherwise, or could."""


@pytest.mark.parametrize("kind", KEPT)
def test_a_function_that_keeps_something_between_calls_is_refused(
    tmp_path: Path, kind: str
) -> None:
    text, says = KEPT[kind]
    (tmp_path / "own.py").write_text(dedent(text) + DRAWN)
    (refused,) = read_folder(tmp_path).refusals
    assert refused.where == "own.py: f" and says in refused.reason
    given = FunctionSource(name="f", source=dedent(text), examples=tuple(map(str, range(30))))
    assert says in str(prepare((given,), INPUTS)[0].reason)
