"""What the sandbox tells of honest functions: answers, determinism, inputs."""

from __future__ import annotations

import ast
import resource
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.domains.algorithms import refusals, sandbox
from pbb.domains.algorithms.drawing import generate_inputs
from pbb.domains.algorithms.sandbox import Job, Limits, SandboxError

WIDE = Limits(answer_chars=500, trace_values=10_000)
HASTY = Limits(seconds_per_call=0.25, seconds=2.0, steps=2000)

BUBBLE = """
def f(a):
    for end in range(len(a) - 1, 0, -1):
        for i in range(end):
            if a[i] > a[i + 1]:
                a[i], a[i + 1] = a[i + 1], a[i]
    return a
"""
WORDS = """
from collections import Counter
def f(words):
    counts = Counter(w.lower() for w in words)
    return dict(sorted(counts.items())), max(counts.values(), default=None)
"""
HEAP = """
import heapq
def f(pairs, k=2):
    heap = [(b, a) for a, b in pairs]
    heapq.heapify(heap)
    return [heapq.heappop(heap) for _ in range(min(k, len(heap)))]
"""
CLASS = """
class Stack:
    def __init__(self):
        self.items = []
    def push(self, item):
        self.items.append(item)
def f(text):
    stack = Stack()
    for c in text:
        if stack.items and stack.items[-1] == c:
            stack.items.pop()
        else:
            stack.push(c)
    return ''.join(stack.items), len(text) / 7, not text
"""
ERRORS = """
def f(n):
    try:
        return 10 // n
    except ZeroDivisionError as error:
        return str(error)
    finally:
        n = 5
"""
SCOPES = """
import functools, itertools
def f(n):
    @functools.cache
    def ways(k):
        return 1 if k < 2 else ways(k - 1) + ways(k - 2)
    def evens():
        for k in itertools.count(0, 2):
            yield k
    i, k = 100, 7
    rows = [[i + k for k in range(i) if (lambda i, j=i: i < j + 2)(k)] for i in range(n)]
    sums = {i: sum(i for i in row) for i, row in enumerate(rows)}
    return [ways(i) for i in range(n)], list(itertools.islice(evens(), n)), rows, sums, i, k
"""
small_ints = st.integers(-99, 99)
ARGUMENTS = {
    BUBBLE: st.tuples(st.lists(small_ints, max_size=6)),
    WORDS: st.tuples(st.lists(st.text("abAB é'\"\\\n", max_size=3), max_size=5)),
    HEAP: st.tuples(st.lists(st.tuples(small_ints, small_ints), max_size=5), st.integers(0, 4)),
    CLASS: st.tuples(st.text("abc", max_size=8)),
    ERRORS: st.tuples(st.integers(-3, 3)),
    SCOPES: st.tuples(st.integers(0, 5)),
}
KINDS = "bubble words heap class errors scopes".split()


def literals(arguments: tuple[object, ...]) -> str:
    return ", ".join(map(repr, arguments))


# --- answers


@pytest.mark.parametrize("source", ARGUMENTS, ids=KINDS)
@settings(max_examples=3)
@given(data=st.data())
def test_answers_are_cpython_s(source: str, data: st.DataObject) -> None:
    """Neither tracing nor the layers change what a function gives, in any number of calls."""
    arguments = data.draw(st.lists(ARGUMENTS[source], min_size=10, max_size=30))
    calls = [literals(each) for each in arguments]
    plain: dict[str, Any] = {}
    exec(source, plain)
    ran = sandbox.run_function(source, "f", calls, WIDE)
    assert [row.error for row in ran] == [None] * len(calls)
    assert [row.answer for row in ran] == [repr(plain["f"](*each)) for each in arguments]


def test_calls_do_not_see_each_other() -> None:
    source = """
seen = []
def f(x, kept=[]):
    seen.append(x)
    kept.append(x)
    return seen, kept
"""
    ran = sandbox.run_function(source, "f", ["1", "2"])
    assert [row.answer for row in ran] == ["([1], [1])", "([2], [2])"]


SHARED = {
    "a class": "from collections import Counter\ndef f(x):\n    Counter.seen = x\n",
    "by another name": "from collections import Counter as C\ndef f(x):\n    C.seen += x\n",
    "of a module": "import heapq\ndef f(x):\n    heapq.merge.seen = x\n",
    "in a loop": "from re import sub\ndef f(x):\n    for sub.seen in [x]:\n        pass\n",
    "deleted": "from copy import copy\ndef f(x):\n    del copy.seen\n",
}


@pytest.mark.parametrize("case", SHARED)
def test_what_calls_share_is_not_changed_by_its_name(case: str) -> None:
    (ran,) = sandbox.run_function(SHARED[case], "f", ["1"])
    assert ran.answer is None
    assert "refused: changes" in str(ran.error)


def test_classes_of_a_source_s_own_keep_nothing() -> None:
    source = """
class Seen:
    count = 0
def f(x):
    Seen.count += x
    return Seen.count
"""
    ran = sandbox.run_function(source, "f", ["1", "2"])
    assert [row.answer for row in ran] == ["1", "2"]


def test_one_bad_call_leaves_the_others() -> None:
    source = """
def f(n):
    while n == 1:
        pass
    return 9 ** 9 ** 9 if n == 2 else 10 // (n - 3)
"""
    ran = sandbox.run_function(source, "f", ["0", "1", "2", "3", "4", "x", "5"], HASTY)
    assert [row.answer for row in ran] == ["-4", None, None, None, "10", None, "5"]
    assert "lines" in str(ran[1].error)
    assert "timeout" in str(ran[2].error)
    assert "ZeroDivisionError" in str(ran[3].error)
    assert "literals" in str(ran[5].error)


def test_the_time_of_a_function_is_bounded() -> None:
    limits = Limits(seconds_per_call=0.1, seconds=0.2)
    ran = sandbox.run_function("def f(n):\n    return 9 ** 9 ** n\n", "f", ["9"] * 20, limits)
    assert "timeout" in str(ran[0].error)
    assert "not run" in str(ran[-1].error)


def test_many_functions_are_quick() -> None:
    """60 functions of 24 inputs in under five seconds of processor time, on one core."""
    calls = tuple(f"[{n}, 5, 2, 9, 8, 1]" for n in range(24))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = sandbox.run_functions([Job(BUBBLE, "f", calls)] * 60, WIDE)
    now = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime < 5
    assert all(row.error is None for rows in ran for row in rows)


# --- determinism

LETTERS = "{'a', 'b', 'c', 'd', 'e'}"
IN_ITS_TRACE = f"""
def f(n):
    s = 0
    for c in {LETTERS}:
        s += ord(c)
    return n
"""
KEPT = """
from collections import Counter
def f(n):
    kept = Counter
    old = kept.n if n else 0
    kept.n = n
    return old
"""


@pytest.mark.parametrize(
    ("source", "same"),
    [
        (f"def f(n):\n    return sorted({LETTERS})[n]\n", True),
        (f"def f(n):\n    return list({LETTERS})[n]\n", False),
        (IN_ITS_TRACE, False),
        (KEPT, False),
        ("def f(n):\n    return 1 // n\n", True),
    ],
    ids=["sorted", "order of a set", "in its trace", "kept in a library", "errors"],
)
def test_functions_that_depend_on_the_process_are_found(source: str, same: bool) -> None:
    calls = ("0", "1", "2")
    there = sandbox.run_function(source, "f", calls, hash_seed=1)
    back = sandbox.run_function(source, "f", calls[::-1], hash_seed=2)
    assert (refusals.chance(calls, there, back[::-1]) is None) is same


def test_the_hash_seed_is_the_one_asked_for() -> None:
    source = f"def f():\n    return [*{LETTERS}]\n"
    said = [sandbox.run_function(source, "f", [""], hash_seed=n)[0].answer for n in (1, 1, 2, 3)]
    assert said[0] == said[1]
    assert len({*said}) > 1
    with pytest.raises(SandboxError, match="hash_seed"):
        sandbox.run_function(source, "f", [""], hash_seed=-1)


# --- inputs

INPUTS = dedent("""
    def inputs(rng):
        return [rng.randint(0, 9) for _ in range(rng.randint(0, 3))], rng.choice('abc')
""")


def test_inputs_are_distinct_literals_and_reproducible() -> None:
    drawn = generate_inputs(INPUTS, 20, seed=3)
    assert len(set(drawn)) == len(drawn) == 20
    assert drawn == generate_inputs(INPUTS, 20, seed=3)
    assert drawn != generate_inputs(INPUTS, 20, seed=4)
    for each in drawn:
        numbers, letter = ast.literal_eval(each)
        assert set(numbers) <= set(range(10))
        assert letter in "abc"
    back = sandbox.run_function("def f(a, b):\n    return a, b\n", "f", drawn)
    assert [row.answer for row in back] == [f"({each})" for each in drawn]


def test_fewer_inputs_where_there_are_no_more() -> None:
    source = "def inputs(rng):\n    return (rng.random() < 0.5,)\n"
    assert set(generate_inputs(source, 5, seed=0)) == {"True", "False"}


@pytest.mark.parametrize(
    "body", ["return 5", "return 1 // 0,", "return inputs,", "import os", "while True: pass"]
)
def test_bad_generators_are_named(body: str) -> None:
    with pytest.raises(SandboxError, match="inputs"):
        generate_inputs(f"def inputs(rng):\n    {body}\n", 5, seed=0, limits=HASTY)
