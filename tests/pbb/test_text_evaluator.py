"""The evaluator of text programs computes what CPython computes, and refuses everything else."""

from collections.abc import Callable

import numpy as np
import pytest

from pbb.domains.evaluator import EvaluationError, Limits, UnsafeProgram
from pbb.domains.text_evaluator import parse_text, prelude

Cipher = Callable[[str, int], str]
PYTHON_ERRORS = (IndexError, ZeroDivisionError, TypeError, ValueError)


def by_cpython(source: str, alphabet: int) -> Cipher:
    """The function `f` of a source, after the prelude."""
    scope: dict[str, Cipher] = {}
    exec(compile(prelude(alphabet) + source, "<test>", "exec"), scope)
    return scope["f"]


class Author:
    """Writes random programs of the whole whitelist, well beyond what the ciphers propose."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.draws = iter(rng.random(400).tolist())

    def pick(self, *options: str) -> str:
        return options[int(next(self.draws) * len(options))]

    def number(self, names: tuple[str, ...], words: tuple[str, ...], depth: int) -> str:
        kind = self.pick(*"nnccoolm-?") if depth else self.pick("n", "c")
        if kind == "n":
            return self.pick(*names)
        if kind == "c":
            return self.pick("0", "1", "2", "3", "-1", "-2", "97")
        if kind == "l":
            return f"len({self.text(names, words, depth - 1)})"
        if kind == "m":
            return f"ord({self.letter(names, words, depth - 1)})"
        if kind == "-":
            return f"(-{self.number(names, words, depth - 1)})"
        one, two = (self.number(names, words, depth - 1) for _ in range(2))
        if kind == "?":
            return f"({one} if {self.test(names, words, depth - 1)} else {two})"
        return f"({one} {self.pick('+', '-', '*', '//', '%')} {two})"

    def test(self, names: tuple[str, ...], words: tuple[str, ...], depth: int) -> str:
        order = self.pick("==", "!=", "<", "<=", ">", ">=")
        if self.pick("texts", "numbers") == "texts":
            order = self.pick(order, "in")
            return f"{self.pick(*words)} {order} {self.text(names, words, depth)}"
        return f"{self.number(names, words, depth)} {order} {self.number(names, words, depth)}"

    def letter(self, names: tuple[str, ...], words: tuple[str, ...], depth: int) -> str:
        """Mostly one letter; now and then none or more."""
        if depth and self.pick(*"shift index".split()) == "shift":
            amount = self.number(names, words, depth - 1)
            return f"shift({self.letter(names, words, depth - 1)}, {amount})"
        if depth and self.pick(*"01234567") == "0":
            return self.text(names, words, depth - 1)
        singles = [word for word in words if word in "xyz"]
        if singles and self.pick("0", "1", "2") != "0":
            return self.pick(*singles)
        return self.pick("'b'", "'cafe'[0]", f"{self.pick(*words)}[{self.pick(*names)}]")

    def text(self, names: tuple[str, ...], words: tuple[str, ...], depth: int) -> str:
        kind = self.pick(*"wc+:::eEr??s") if depth else self.pick("w", "c")
        if kind == "w":
            return self.pick(*words)
        if kind == "c":
            return self.pick("'aeiou'", "'b'", "''", "'fdcabe'")
        if kind == "s":
            return self.letter(names, words, depth)
        if kind in "eE":
            letter = self.pick(*"xyz")
            whole = self.text(names, words, depth - 1)
            if kind == "e":
                inner = self.text(names, (*words, letter), depth - 1)
                return f"''.join({inner} for {letter} in {whole})"
            inner = self.text((*names, "i"), (*words, letter), depth - 1)
            return f"''.join({inner} for i, {letter} in enumerate({whole}))"
        if kind == "r":
            inner = self.text((*names, "j"), words, depth - 1)
            ends = f"{self.pick(*names)}, len({self.pick(*words)}), {self.pick(*names, '1', '2')}"
            return f"''.join({inner} for j in range({ends}))"
        one = self.text(names, words, depth - 1)
        if kind == ":":
            bounds = (self.pick("", self.number(names, words, depth - 1)) for _ in range(3))
            return f"({one})[{':'.join(bounds)}]"
        two = self.text(names, words, depth - 1)
        if kind == "+":
            return f"({one} + {two})"
        return f"({one} if {self.test(names, words, depth - 1)} else {two})"

    def source(self) -> str:
        """A whole function `f`."""
        if self.pick("deep", "long") == "deep":
            return f"def f(s, k):\n    return {self.text(('k',), ('s',), 3)}"
        first = self.text(("k",), ("s",), 2)
        second = self.text(("k",), ("s", "t"), 1)
        last = self.text(("k",), ("s", "t"), 1)
        return f"def f(s, k):\n    t = {first}\n    s = {second}\n    return {last} + s"


def test_agrees_with_cpython_on_ten_thousand_programs() -> None:
    rng, enough = np.random.default_rng(5), Limits(steps=10**6, magnitude=10**300)
    agreed = failed = 0
    for _ in range(10_000):
        source = Author(rng).source()
        wanted, ours = by_cpython(source, 10), parse_text(source, 10)
        for word, key in (("badeh", 2), ("ji", -1)):
            try:
                answer = wanted(word, key)
            except PYTHON_ERRORS:
                with pytest.raises(EvaluationError):
                    ours(word, key, enough)
                failed += 1
                continue
            assert ours(word, key, enough).answer == answer, source
            agreed += len(answer) > 1
    assert agreed > 8000 and failed > 1000


@pytest.mark.parametrize(
    "text",
    [
        "().__class__.__bases__[0].__subclasses__()",
        "open('/etc/passwd').read()",
        "__import__('os').getcwd()",
        "eval('s')",
        "s.upper()",
        "s.__class__.__name__",
        "','.join(x for x in s)",
        "''.join(s)",
        "''.join([x for x in s])",
        "''.join(x for x in s if x)",
        "''.join(x for x in s for y in s)",
        "''.join(x for x in open('a'))",
        "''.join(x for x in range(k))",
        "''.join(s for s.x in s)",
        "''.join(x for i, (x, y) in enumerate(s))",
        "''.join((yield) for x in s)",
        "''.join.__self__",
        "f'{s}'",
        "s * 9",
        "s % k",
        "s ** 2",
        "s or s",
        "not s",
        "k",
        "s + k",
        "s + 1",
        "b'a'",
        "None",
        "lambda: s",
        "(s := 'a')",
        "[s][0]",
        "{'a': s}['a']",
        "{*s}",
        "s[s]",
        "s['a']",
        "s[1.5]",
        "s[True]",
        "s[0, 1]",
        "s[(lambda: 0)()]",
        "s[k ** 9]",
        "s[k << 9]",
        "s[~k]",
        "s[ord(s, s)]",
        "s[len(k)]",
        "s[max(k, 1)]",
        "shift(s)",
        "shift(s, k, k)",
        "shift(k, s)",
        "shift(*s)",
        "shift(c=s, n=k)",
        "shift",
        "t",
        "s if s else s",
        "s if 0 < k < 3 else s",
        "s if k is k else s",
        "s if k in s else s",
        "s if s == k else s",
        "await s",
        "''.join(range for range in s)",
        "''.join(x for ord, x in enumerate(s))",
    ],
)
def test_refuses_what_is_not_whitelisted(text: str) -> None:
    with pytest.raises(UnsafeProgram):
        parse_text(f"def f(s, k):\n    return {text}", 10)


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "k = 3",
        "s += s",
        "s, t = s, s",
        "t = u = s",
        "s.t = s",
        "s[0] = s",
        "shift = s",
        "t: str = s",
        "for x in s: pass",
        "while True: pass",
        "if k == 1: s = s",
        "return s",
        "return",
        "del s",
        "global s",
        "raise s",
        "assert s",
        "print(s)",
        "def g(s, k): return s",
        "class G: pass",
    ],
)
def test_refuses_other_statements(line: str) -> None:
    with pytest.raises(UnsafeProgram):
        parse_text(f"def f(s, k):\n    {line}\n    return s", 10)


@pytest.mark.parametrize(
    "source",
    [
        "s = 'a'",
        "def f(s):\n    return s",
        "def f(s, k, t):\n    return s",
        "def f(s, s):\n    return s",
        "def f(s, k=print('a')):\n    return s",
        "def f(s: print('a'), k):\n    return s",
        "def f(s, k) -> print('a'):\n    return s",
        "def f(s, *k):\n    return s",
        "def f(s, k, **t):\n    return s",
        "def f(ord, k):\n    return ord",
        "def shift(s, k):\n    return shift(s, k)",
        "async def f(s, k):\n    return s",
        "@d\ndef f(s, k):\n    return s",
        "def f(s, k):\n    return s\nf('a', 1)",
        "def f(s, k):\n    t = s",
        "",
        "\0",
        "(" * 5000,
        "def f(s, k):\n    return s[" + "-" * 3000 + "k]",
        "def f(s, k):\n    return " + " + ".join(["s"] * 3000),
        "def f(s, k):\n    return '" + "a" * 10_000 + "'",
    ],
)
def test_refuses_what_is_not_one_plain_function(source: str) -> None:
    with pytest.raises(UnsafeProgram):
        parse_text(source, 10)


@pytest.mark.parametrize(
    "body",
    [
        "    s = s + s\n" * 60 + "    return s",
        f"    return ''.join('{'a' * 5000}' for j in range(0, 1000000000, 1))",
        "    return ''.join(''.join(s for x in s) for y in s + s + s + s)",
        "    return ''.join('' for j in range(0, 1000000000, 1))",
        "    return s[" + " * ".join(["k"] * 40) + ":]",
        "    return s[99]",
        "    return s[k // 0:]",
        "    return s[::0]",
        "    return ''.join(s for j in range(0, 9, 0))",
        "    return shift(s, 1)",
        "    return s[ord(''):]",
    ],
)
def test_limits_and_errors_hold(body: str) -> None:
    function = parse_text(f"def f(s, k):\n{body}", 10)
    with pytest.raises(EvaluationError):
        function("abcdefgh" * 5, 9, Limits(steps=5000))


def test_stages_show_what_arose() -> None:
    source = """def f(s, k):
    s = ''.join(shift(x, k + p) for p, x in enumerate(s))
    s = s[::-1]
    return ''.join('badc'[ord(x) - 97] for x in s)"""
    first, second, third = parse_text(source, 4)("dab", 2).stages
    assert (first.values, first.word) == (("d", 2, "b", "a", 3, "d", "b", 4, "b"), "bdb")
    assert (second.values, second.word) == ((), "bdb")
    assert (third.values, third.word) == (("b", "a", "d", "c", "b", "a"), "aca")
