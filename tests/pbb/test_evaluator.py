"""The safe evaluator computes what CPython computes, and refuses everything else."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from pbb.domains.arithmetic.generator import definition, propose
from pbb.domains.configs import ArithmeticConfig
from pbb.domains.evaluator import EvaluationError, Limits, UnsafeProgram, parse
from pbb.seeds import stream


def random_source(rng: np.random.Generator, depth: int = 2) -> str:
    """A random program of the whole whitelist, well beyond what the generator proposes."""

    def value(nesting: int = 3) -> str:
        draw = rng.integers(4 if nesting else 2)
        if draw == 0:
            return str(rng.integers(-9, 10))
        if draw == 1:
            return str(rng.choice(["x", "y"]))
        op = rng.choice(["+", "-", "*", "//", "%"])
        return f"({value(nesting - 1)} {op} {value(nesting - 1)})"

    def block(indent: str, depth: int) -> list[str]:
        lines = []
        for _ in range(rng.integers(1, 4)):
            draw = rng.integers(6 if depth else 3)
            name, op = rng.choice(["x", "y"]), rng.choice(["+", "-", "*", "//", "%"])
            if draw < 2:
                lines.append(f"{indent}{name} = {value()}")
            elif draw == 2:
                lines.append(f"{indent}{name} {op}= {value()}")
            elif draw == 3:
                lines += [f"{indent}for y in range({rng.integers(4)}):"]
                lines += block(indent + "    ", depth - 1)
            else:
                test = rng.choice(["==", "!=", "<", "<=", ">", ">="])
                lines += [f"{indent}if {value()} {test} {value()}:"]
                lines += block(indent + "    ", depth - 1)
                if draw == 5:
                    lines += [f"{indent}elif x > {value()}:", *block(indent + "    ", depth - 1)]
                    lines += [f"{indent}else:", *block(indent + "    ", depth - 1)]
        if rng.integers(8) == 0:
            lines.append(f"{indent}return {value()}")
        return lines

    return "\n".join(["def f(x):", "    y = 1", *block("    ", depth), "    return x + y"])


def run_by_cpython(sources: Sequence[str]) -> list[Callable[[int], int]]:
    """The functions `f` of the sources, compiled as one module: each alone would cost more."""
    renamed = (text.replace("def f(", f"def f{i}(", 1) for i, text in enumerate(sources))
    scope: dict[str, Callable[[int], int]] = {}
    exec(compile("\n".join(renamed), "<test>", "exec"), scope)
    return [scope[f"f{i}"] for i in range(len(sources))]


def test_agrees_with_cpython_on_ten_thousand_programs() -> None:
    rng = np.random.default_rng(5)
    sources = [random_source(rng) for _ in range(10_000)]
    agreed = failed = 0
    for source, function in zip(sources, run_by_cpython(sources), strict=True):
        ours = parse(source)
        for x in (-7, 0, 3, 20):
            try:
                wanted = function(x)
            except ZeroDivisionError:
                with pytest.raises(EvaluationError):
                    ours(x)
                failed += 1
                continue
            if abs(wanted) < 10**9:
                assert ours(x, Limits(magnitude=10**300)).answer == wanted, source
                agreed += 1
    assert agreed > 20_000 and failed > 1000


def test_generated_programs_agree_with_cpython() -> None:
    config = ArithmeticConfig(steps=3, paths=4, loops=0.3, inputs=40)
    rng = stream("test")
    bodies = list(itertools.islice(filter(None, iter(lambda: propose(config, rng), 0)), 1000))
    functions = run_by_cpython([definition("f", body.source) for body in bodies])
    for body, function in zip(bodies, functions, strict=True):
        assert body.answers == tuple(map(function, range(40)))


def test_trace_ends_in_the_answer_and_shows_every_test() -> None:
    source = "def f(x):\n    x += 3\n    if x % 2 == 0:\n        x *= 2\n    return x"
    assert parse(source)(5).trace == (8, True, 16)
    assert parse(source)(4).trace == (7, False)
    assert parse(source)(5).path != parse(source)(4).path


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "x = ().__class__.__bases__[0].__subclasses__()",
        "x = open('/etc/passwd')",
        "x = __import__('os')",
        "x = x ** 99",
        "x = x << 99",
        "x = [1] * 9",
        "x = lambda: 1",
        "x.y = 1",
        "x = (y := 3)",
        "while True: pass",
        "for i in range(x): x += 1",
        "for i in [1]: x += 1",
        "global x",
        "x = 1.5",
        "x = True",
        "x = 'a'",
        "x, y = 1, 2",
        "del x",
        "raise x",
        "assert x",
        "def g(y): return y",
    ],
)
def test_refuses_what_is_not_whitelisted(line: str) -> None:
    with pytest.raises(UnsafeProgram):
        parse(f"def f(x):\n    {line}\n    return x")


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "def f(x, y):\n    return x",
        "@d\ndef f(x):\n    return x",
        "def f(x=1):\n    return x",
        "def f(*x):\n    return x",
        "def f(x):\n    return x\nf(1)",
        "",
        "(" * 5000,
    ],
)
def test_refuses_what_is_not_one_plain_function(source: str) -> None:
    with pytest.raises(UnsafeProgram):
        parse(source)


def test_limits_hold() -> None:
    loop = "def f(x):\n    for i in range(1000000000):\n        x += 1\n    return x"
    with pytest.raises(EvaluationError):
        parse(loop)(0)
    square = "def f(x):\n" + "    x *= x\n" * 60 + "    return x"
    with pytest.raises(EvaluationError):
        parse(square)(9)
    with pytest.raises(EvaluationError):
        parse("def f(x):\n    return y")(0)
