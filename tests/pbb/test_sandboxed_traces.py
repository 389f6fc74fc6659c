"""Traces and paths that the sandbox tells of functions, against ones told by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.domains.algorithms import sandbox
from pbb.domains.algorithms.sandbox import Limits

WIDE = Limits(answer_chars=500, trace_values=10_000)

LINE = "def f(n):\n    m = n + 1\n    m = m * 2\n    return m\n"
BRANCH = """
def f(n):
    if n > 2:
        k = 'a b'
    else:
        k = None
    return k
"""
LOOP = """
def f(n):
    s = 0
    for i in range(n):
        s += i
    return s
"""
WHILE = """
def f(a, b):
    while b:
        a, b = b, a % b
    return a
"""
RECURSION = "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\n"
ALIAS = """
def f(a):
    a.append(1)
    b = a
    b.append(2)
    return b
"""
CALLEE = """
def g(a):
    a.pop()
def f(a):
    g(a)
    g(a)
    return a
"""
NONLOCAL = """
def f(n):
    t = 0
    def g(k):
        nonlocal t
        t += k
    g(n)
    g(1)
    return t
"""
UNTOLD = """
def f(n):
    s = {n, 1}
    d = {n: (1,)}
    _ = 5
    g = f
    return [(lambda j: j)(i) for i in s]
"""


@pytest.mark.parametrize(
    ("source", "call", "trace"),
    [
        (LINE, "3", "m=4 m=8"),
        (BRANCH, "3", "k='a b'"),
        (BRANCH, "2", "k=None"),
        (LOOP, "3", "s=0 i=0 i=1 s=1 i=2 s=3"),
        (WHILE, "12, 18", "a=18 b=12 a=12 b=6 a=6 b=0"),
        (RECURSION, "3", "n=2 n=1 return=1 return=2"),
        (ALIAS, "[0]", "a=[0,1] b=[0,1] a=[0,1,2] b=[0,1,2]"),
        (CALLEE, "[1, 2]", "a=[1] a=[]"),
        (NONLOCAL, "3", "t=0 k=3 t=3 k=1 t=4"),
        (UNTOLD, "3", "s={1,3} d={3:(1,)}"),
        ("def f(secret):\n    return secret + secret\n", "4", ""),
    ],
)
def test_traces_tell_the_values_that_arose(source: str, call: str, trace: str) -> None:
    (ran,) = sandbox.run_function(source, "f", [call])
    assert (ran.trace, ran.error) == (trace, None)


@settings(max_examples=8)
@given(st.lists(st.integers(-99, 99), min_size=1, max_size=30))
def test_traces_agree_with_one_told_by_hand(numbers: list[int]) -> None:
    """A running maximum: what changed, when it did."""
    source = """
def f(a):
    best = a[0]
    for x in a:
        if x > best:
            best = x
    return best
"""
    by_hand, best, last = [f"best={numbers[0]}"], numbers[0], None
    for x in numbers:
        by_hand += [f"x={x}"] * (x != last)
        by_hand += [f"best={x}"] * (x > best)
        best, last = max(best, x), x
    (ran,) = sandbox.run_function(source, "f", [repr(numbers)], WIDE)
    assert ran.trace == " ".join(by_hand)


def test_a_trace_is_told_up_to_its_limit() -> None:
    """The limit counts values; one beyond it is an error, the answer stays."""
    limits = Limits(trace_values=8)
    within, beyond = sandbox.run_function(LOOP, "f", ["4", "5"], limits)
    assert (within.answer, len(within.trace.split()), within.error) == ("6", 8, None)
    assert (beyond.answer, beyond.trace, beyond.error) == ("10", "", "trace too long")


def test_paths_are_sets_of_lines() -> None:
    source = LOOP.replace("s += i", "if i % 3 == 2:\n            s += i")
    paths = [row.path for row in sandbox.run_function(source, "f", [*"01234567"])]
    assert len({*paths[1:3]}) == len({*paths[3:]}) == 1
    assert len({*paths}) == 3
