"""One's own functions answer as their file does in CPython, or are refused with the reason."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from pbb.domains.algorithms import source
from pbb.domains.algorithms.cases import prepare
from pbb.domains.algorithms.checking import check_folder
from pbb.domains.algorithms.embedding import embed, read_faithful
from pbb.domains.algorithms.reading import read_folder
from pbb.domains.algorithms.sandbox import Ran
from pbb.domains.algorithms.written import disagreement
from pbb.domains.configs import AlgorithmsConfig, FunctionSource

INPUTS = 8
DRAWN = "\n\ndef inputs_f(rng):\n    return (rng.randint(1, 400),)\n"

FAITHFUL = {
    "a parameter called like a constant": """
        RATE = 7
        def f(RATE):
            return RATE * 3 + 1
        """,
    "a local called like a helper": """
        def total(n):
            return -n
        def f(n):
            total = n + 2
            return total * 2
        """,
    "a default of its file": """
        BASE = 5
        def f(n, base=BASE, *, more=(BASE, 2)):
            return n * base + more[0]
        """,
    "a parameter with its constant as the default": """
        BASE = 5
        def f(n, BASE=BASE):
            return n * BASE + 1
        """,
    "a helper's default": """
        BASE = 5
        def _g(n, base=BASE):
            return n * base
        def f(n):
            return _g(n) + 1
        """,
    "a table in one expression": """
        TABLE = [i * i % 11 for i in range(50)]
        def f(n):
            return TABLE[n % 50] + n
        """,
    "prints and a main part": """
        import time
        TABLE = [3, 4]
        def f(n):
            return TABLE[n % 2] * n
        START = time.time()
        SOON = START + 1
        print(f(3), TABLE)
        if __name__ == "__main__":
            TABLE.append(time.time())
        """,
    "what files hold": """
        from __future__ import annotations
        import logging, sys
        from typing import TYPE_CHECKING, NamedTuple, TypeVar
        import math
        if TYPE_CHECKING:
            from collections.abc import Sequence
        try:
            import numpy as np
        except ImportError:
            np = None
        T = TypeVar("T")
        __all__ = ["f"]
        logger = logging.getLogger(__name__)
        sys.setrecursionlimit(3000)
        def _root(n: Sequence[T]) -> int:
            return math.isqrt(n)
        def f(n: int, key=lambda T: T) -> np.ndarray:
            import math
            return key(n) + _root(n) + math.gcd(n, 12)
        assert f(9) == 15
        """,
    "a method called like it": """
        class Box:
            def __init__(self):
                self.seen = []
            def f(self, n):
                self.seen.append(n)
        def f(n):
            box = Box()
            box.f(n)
            return box.seen[0] + 3
        """,
    "an import called like it": """
        from math import factorial as _f
        def f(n):
            return _f(n % 9) + n
        """,
    "locals called like what its file holds": """
        seen = [3]
        def _g(n):
            seen = []
            seen.append(n)
            return seen[0]
        def f(n, more=(), known=[2, 3]):
            found = [*known, n]
            found.pop(0)
            table = {}
            def put(k):
                table[k] = n
            put(3)
            return _g(n) + table[3] + found[0]
        """,
    "a keyword called like it": """
        def _g(n):
            return {"n": n}
        def f(n):
            return dict(f=_g(n=n)["n"])["f"] * 2
        """,
}

UNFAITHFUL = {
    "a table that a loop fills": (
        """
        TABLE = []
        for i in range(9):
            TABLE.append(i)
        def f(n):
            return [n, len(TABLE)]
        """,
        ("TABLE", "line 3"),
    ),
    "a table that is set by keys": (
        """
        TABLE = {}
        TABLE["a"] = 3
        def f(n):
            return n + len(TABLE)
        """,
        ("TABLE", "line 3"),
    ),
    "a helper's table": (
        """
        TABLE = {}
        def _g(n):
            return n + len(TABLE)
        def f(n):
            return _g(n)
        TABLE.update(a=1)
        """,
        ("TABLE", "line 7"),
    ),
    "a name that a branch sets": (
        """
        if 3 > 2:
            K = 4
        def f(n):
            return n + K
        """,
        ("K", "line 2"),
    ),
    "a function that is wrapped later": (
        """
        def _twice(g):
            return lambda n: g(g(n))
        def f(n):
            return n + 3
        f = _twice(f)
        """,
        ("uses f", "line 6"),
    ),
    "a table that a call fills": (
        """
        TABLE = []
        def _fill():
            TABLE.append(4)
        def f(n):
            return n * 2 + len(TABLE)
        _fill()
        """,
        ("as written", "gives"),
    ),
    "a number that is a truth there": (
        """
        KINDS = [int]
        def _choose(kinds):
            kinds[0] = bool
        def f(n):
            return [n, KINDS[0](1)]
        _choose(KINDS)
        """,
        ("True]", "1]"),
    ),
    "a table that may be filled from a file": (
        """
        TABLE = []
        def _fill(name):
            TABLE.append(open(name).read())
        def f(n):
            return n * 2 + len(TABLE)
        _fill("x")
        """,
        ("TABLE", "_fill('x')", "cannot run here"),
    ),
    "a table that a refused line holds": (
        """
        TABLE = [1]
        def f(n):
            return n * 2 + len(TABLE)
        exec("TABLE.append(2)", vars(TABLE))
        """,
        ("TABLE", "cannot run here"),
    ),
    "a variable called like a helper's constant": (
        """
        RATE = 7
        def _tax(n):
            return n * RATE
        def f(n):
            RATE = n + 1
            return _tax(n) + RATE
        """,
        ("variable RATE", "rename"),
    ),
    "a name of a star": (
        """
        from math import *
        def f(n):
            return floor(n / 2) + n
        """,
        ("floor", "import by name"),
    ),
    "a default that is no value": (
        """
        BASE = [5]
        def f(n, base=BASE):
            return n + base[0]
        """,
        ("base=BASE", "write the value"),
    ),
    "a keyword that holds its name": (
        """
        def _g(n, f):
            return n * f
        def f(n):
            return _g(n, f=3)
        """,
        ("keyword f=", "rename"),
    ),
    "a field that holds its name": (
        """
        class _Box:
            f = 3
        def f(n):
            return _Box.f * n
        """,
        ("attribute f of class _Box", "rename"),
    ),
}


def in_cpython(text: str, call: str) -> str:
    variables: dict[str, object] = {"__name__": "own"}
    exec(compile(text, "own.py", "exec"), variables)
    function = variables["f"]
    assert callable(function)
    return repr(function(*ast.literal_eval(f"({call},)")))


@pytest.mark.parametrize("kind", FAITHFUL)
def test_a_function_that_can_be_used_answers_as_its_file_does(tmp_path: Path, kind: str) -> None:
    text = dedent(FAITHFUL[kind]) + DRAWN
    (tmp_path / "own.py").write_text(text)
    assert {row.name: row.reason for row in check_folder(tmp_path, INPUTS)}["f"] is None
    config = embed(AlgorithmsConfig(folder=str(tmp_path), inputs=INPUTS), Path())
    (made,) = [each for each in prepare(config.functions, INPUTS) if each.name == "f"]
    for case in made.cases:
        assert case.answer == in_cpython(text, case.input)
    assert "BASE" not in source.parameters(made.code).partition("=")[2]


@pytest.mark.parametrize("kind", UNFAITHFUL)
def test_a_function_that_its_file_makes_another_is_refused(tmp_path: Path, kind: str) -> None:
    text, says = UNFAITHFUL[kind]
    (tmp_path / "own.py").write_text(dedent(text) + DRAWN)
    found = {row.name.rpartition(" ")[2]: row.reason for row in check_folder(tmp_path, INPUTS)}
    assert all(each in str(found["f"]) for each in says), found
    usable = read_faithful(tmp_path, INPUTS).functions
    assert not [each for each in prepare(usable, INPUTS) if each.cases]


def test_a_file_that_differs_is_not_taken_for_a_late_one(tmp_path: Path) -> None:
    text = """
        TABLE = []
        def _fill():
            TABLE.append(4)
        def f(n):
            if TABLE and n < 280:
                sum(range(10 ** 10))
            return n * 2 + len(TABLE)
        _fill()
        """
    (tmp_path / "own.py").write_text(dedent(text) + DRAWN)
    (refused,) = read_faithful(tmp_path, INPUTS).refusals
    assert "differs" in refused.reason and not refused.late
    calls = (*map(str, range(280, 300)), "1")
    given = FunctionSource(name="f", source=dedent(text), examples=calls)
    (made,) = prepare((given,), INPUTS)
    assert "differs" in str(made.reason) and not made.late


@pytest.mark.parametrize("error", ["timeout: 0.5 s", "MemoryError"])
def test_a_silent_file_is_late_where_a_call_of_it_is(error: str) -> None:
    ran = [Ran(None, "", "", "over 20000 lines"), Ran(None, "", "", error)]
    differs = disagreement(("1", "2"), ("1", "2"), ran)
    assert differs is not None and differs.late == ran[1].late


def test_a_source_given_whole_is_compared_too() -> None:
    text, _ = UNFAITHFUL["a table that a call fills"]
    given = FunctionSource(name="f", source=dedent(text), examples=tuple(map(str, range(30))))
    (made,) = prepare((given,), INPUTS)
    assert "as written" in str(made.reason)


# --- the same in every process


def test_chance_that_shows_in_late_calls_alone_is_found() -> None:
    text = "def f(n):\n    return [n, list({'a', 'b', 'c', str(n)})[0] if n > 20 else '']\n"
    given = FunctionSource(name="f", source=text, examples=tuple(map(str, range(30))))
    (made,) = prepare((given,), 24)
    assert "not deterministic" in str(made.reason)


def test_a_generator_that_draws_by_chance_of_its_own_is_refused() -> None:
    for drawn in (
        "list({'ab', 'cd', 'ef', 'gh'})[0] * rng.randint(1, 30)",
        "rng.choice(list({'ab', 'cd', 'ef'})) + str(rng.randint(1, 30))",
    ):
        text = f"def inputs(rng):\n    return ({drawn},)\n"
        given = FunctionSource(name="f", source="def f(n):\n    return [n, 1]\n", generator=text)
        (made,) = prepare((given,), INPUTS)
        assert "in one process" in str(made.reason)


def test_a_generator_that_draws_fewer_in_one_process_is_refused() -> None:
    text = """
        def inputs(rng):
            n = rng.randint(1, 4000)
            if n >= 3960 and list({'ab', 'cd', 'ef', 'gh', 'i', 'j'})[0] < 'e':
                return (77,)
            return (n % 5,)
        """
    given = FunctionSource(name="f", source="def f(n):\n    return 2 * n\n", generator=dedent(text))
    (made,) = prepare((given,), INPUTS)
    assert "no more" in str(made.reason)


def test_generators_may_share_one_that_is_called_inputs(tmp_path: Path) -> None:
    text = """
        def inputs(rng):
            return (rng.randint(1, 400),)
        def inputs_f(rng):
            return inputs(rng)
        def f(n):
            return 2 * n + 1
        def inputs_g(rng):
            return (inputs(rng)[0] + 1000,)
        def g(n):
            return 3 * n
        """
    (tmp_path / "own.py").write_text(dedent(text))
    assert {row.name: row.reason for row in check_folder(tmp_path, INPUTS)} == {
        "f": None,
        "g": None,
    }


def test_a_shared_generator_gives_way_to_names_that_strings_and_others_hold(tmp_path: Path) -> None:
    text = """
        def _inputs(rng):
            return rng.randint(1, 400)
        def inputs(rng):
            return (_inputs(rng) + 1000,)
        def _word(rng, inputs_f="inputs"):
            return inputs_f + "inputs_f"
        def inputs_f(rng):
            return (inputs(rng)[0], _word(rng))
        def f(n, word):
            return [n, word[:8]]
        """
    (tmp_path / "own.py").write_text(dedent(text))
    (function,) = read_folder(tmp_path).functions
    (made,) = prepare((function,), INPUTS)
    assert made.reason is None
    for case in made.cases:
        number, word = ast.literal_eval(case.input)
        assert number > 1000 and word == "inputsinputs_f"


# --- what a file holds beside functions


def test_what_is_no_function_has_a_row(tmp_path: Path) -> None:
    text = """
        _hidden = lambda n: n
        helper = lambda n: n + 1
        async def later(n):
            return n
        double = lambda n: 2 * n
        typed: object = lambda n: 2 * n
        class Shape:
            def area(self):
                return Shape
        class Unit:
            pass
        def f(n: Unit):
            return helper(n) * 2
        if f:
            def inner(n):
                return n
        """
    (tmp_path / "own.py").write_text(dedent(text) + DRAWN)
    told = {row.name: str(row.reason) for row in check_folder(tmp_path, INPUTS)}
    wanted = {"later": "async", "double": "lambda", "typed": "lambda", "Shape": "class"}
    wanted["inner"] = "top level"
    assert set(told) == {"f"} | {f"own.py: {name}" for name in wanted}
    assert all(word in told[f"own.py: {name}"] for name, word in wanted.items())
    assert told["f"] == "None"


def test_files_as_some_editors_leave_them_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.py").mkdir()
    text = "def f(n):\n    return 2 * n + 1\n" + DRAWN
    (tmp_path / "own.py").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    told = {row.name: row.reason for row in check_folder(tmp_path, INPUTS)}
    assert told["f"] is None
    assert "folder" in str(told["x.py"])
