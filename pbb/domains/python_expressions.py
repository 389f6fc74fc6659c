"""Python expressions told in words: the part of pbb.domains.python_prose below statements."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Mapping, Sequence
from typing import Final


class NotProse(ValueError):
    """A construct that there are no words for, or no text to tell: which."""


_TESTS: Final = frozenset("isdigit isalpha isupper islower startswith endswith".split())
"""Methods whose words make a clause."""
_OF_ONE: Final = frozenset(
    "len abs sum sorted reversed ord chr str int float bool round any all enumerate".split()
)
"""Builtins that are told with one argument."""
_BUILTINS: Final = frozenset(dir(builtins))


class Expressions:
    """Tells expressions in the words of one phrasing. Every method raises NotProse."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words

    def say(self, key: str, *parts: str) -> str:
        """The words of a construct."""
        return self._words[key].format(**dict(zip("abc", parts, strict=False)))

    def known(self, key: str, node: ast.AST, what: str) -> str:
        """The key, if there are words for it."""
        if key not in self._words:
            raise refused(node, what)
        return key

    # Tests

    def test(self, node: ast.expr) -> str:
        """A clause; anything that is not one is asked for its truth."""
        match node:
            case ast.Compare(left=left, ops=ops, comparators=others):
                sides = [left, *others]
                clauses = [
                    self.say(type(op).__name__, self.inner(a), self.inner(b))
                    for a, op, b in zip(sides, ops, others, strict=False)
                ]
                return f" {self._words['And']} ".join(clauses)
            case ast.BoolOp(op=op, values=values):
                joined = f" {self._words[type(op).__name__]} "
                return joined.join(self._inner_test(each) for each in values)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.say("Not", self._inner_test(operand))
            case ast.Call() if _is_clause(node):
                return self.value(node)
            case ast.Constant(value=bool()):
                return repr(node.value)
            case _:
                return self.say("truth", self.inner(node))

    def _inner_test(self, node: ast.expr) -> str:
        compound = isinstance(node, ast.BoolOp | ast.UnaryOp | ast.IfExp) or (
            isinstance(node, ast.Compare) and len(node.ops) > 1
        )
        return f"({self.test(node)})" if compound else self.test(node)

    # Values

    def inner(self, node: ast.expr) -> str:
        """A value within another: in parentheses, unless it is a name or a constant."""
        told = self.value(node)
        return told if _is_bare(node) else f"({told})"

    def value(self, node: ast.expr) -> str:
        """What an expression gives."""
        match node:
            case ast.Name(id=name):
                return name
            case ast.Constant(value=int() | float() | str() | None):
                return repr(node.value)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return f"-{number!r}"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self.say("USub", self.inner(operand))
            case ast.BinOp(left=left, op=op, right=right):
                kind = type(op).__name__
                key = self.known(kind, node, f"the operator {kind}")
                return self.say(key, self.inner(left), self.inner(right))
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self.test(node)
            case ast.IfExp(test=test, body=body, orelse=other):
                return self.say("choice", self.test(test), self.inner(body), self.inner(other))
            case ast.Starred(value=value):
                return self.say("items", self.inner(value))
            case ast.Subscript(value=value, slice=ast.Slice() as part):
                return self._part(value, part)
            case ast.Subscript(value=value, slice=index):
                return self._item(value, index)
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return self._display(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self._collected(node)
            case ast.Call(keywords=[], func=ast.Name(id=name), args=args):
                return self._call(node, name, args)
            case ast.Call(keywords=[], func=ast.Attribute()):
                return self.method(node, "")
            case ast.Call():
                raise refused(node, f"the call {ast.unparse(node)}")
            case _:
                raise refused(node)

    def target(self, node: ast.expr) -> str:
        """What is set, or goes through a loop."""
        if isinstance(node, ast.Tuple | ast.List):
            return joined([self.target(each) for each in node.elts])
        return self.value(node)

    def _each(self, nodes: Sequence[ast.expr]) -> str:
        return joined([self.inner(each) for each in nodes])

    def _item(self, value: ast.expr, index: ast.expr) -> str:
        match index:
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1)):
                return self.say("last", self.inner(value))
            case _:
                return self.say("item", self.inner(value), self.inner(index))

    def _part(self, value: ast.expr, part: ast.Slice) -> str:
        bounds = [
            self.say(key, self.inner(bound))
            for key, bound in (("from", part.lower), ("before", part.upper), ("step", part.step))
            if bound is not None
        ]
        whole = part.lower is None and part.upper is None
        if whole and part.step is None:
            return self.say("copy", self.inner(value))
        if whole and part.step is not None and ast.unparse(part.step) == "-1":
            return self.say("reversed", self.inner(value))
        return f"{self.say('part', self.inner(value))} {' '.join(bounds)}"

    def _display(self, node: ast.List | ast.Tuple | ast.Set | ast.Dict) -> str:
        kind = type(node).__name__.lower()
        if isinstance(node, ast.Dict):
            entries = []
            for key, value in zip(node.keys, node.values, strict=True):
                if key is None:
                    raise refused(node, "a table unpacked in another")
                entries.append(self.say("entry", self.inner(key), self.inner(value)))
            return self.say(kind, joined(entries)) if entries else self.say("no dict")
        return self.say(kind, self._each(node.elts)) if node.elts else self.say(f"no {kind}")

    def _collected(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> str:
        told = self.inner(node.elt)
        for i, each in enumerate(node.generators):
            if each.is_async or i > 0:
                raise refused(node, "a comprehension of several loops")
            told = self.say("collect", told, self.target(each.target), self.inner(each.iter))
            for test in each.ifs:
                told += " " + self.say("where", self._inner_test(test))
        if isinstance(node, ast.GeneratorExp):
            return told
        return self.say("set of" if isinstance(node, ast.SetComp) else "list of", told)

    def _call(self, node: ast.Call, name: str, args: Sequence[ast.expr]) -> str:
        told = [self.inner(each) for each in args]
        if any(isinstance(each, ast.Starred) for each in args):
            raise refused(node, f"the call {ast.unparse(node)}")
        match name, len(args):
            case (("min" | "max"), 1):
                return self.say(f"{name} of", *told)
            case (("min" | "max" | "zip"), _):
                return self.say(name, joined(told))
            case (("list" | "set" | "tuple"), 1):
                return self.say(f"{name} of", *told)
            case (("list" | "set" | "tuple" | "dict"), 0):
                return self.say(f"no {name}")
            case "range", (1 | 2 | 3) as count:
                return self.say(f"range{count}", *told)
            case "divmod", 2:
                return self.say(name, *told)
            case _, 1 if name in _OF_ONE:
                return self.say(name, *told)
        if name in _BUILTINS:
            raise refused(node, f"the call {ast.unparse(node)}")
        return self.say("gives", name, joined(told)) if told else self.say("gives alone", name)

    def method(self, node: ast.Call, suffix: str) -> str:
        """A method's call; suffix: `=` where it is a statement, whose value nothing takes."""
        assert isinstance(node.func, ast.Attribute)
        name, count = node.func.attr, len(node.args)
        parts = [self.inner(node.func.value), *map(self.inner, node.args)]
        wanted = [f".{name}{suffix}{count}", f".{name}{suffix}"]
        for key in wanted:
            words = self._words.get(key)
            if words is not None and _parts(words) == len(parts) and not node.keywords:
                return self.say(key, *parts)
        raise refused(node, f"the method call {ast.unparse(node)}")


def refused(node: ast.AST, what: str = "") -> NotProse:
    """What there are no words for."""
    line = getattr(node, "lineno", "?")
    return NotProse(f"no words for {what or type(node).__name__}, line {line} of the function")


def joined(told: Sequence[str]) -> str:
    """`x`, `x and y`, `x, y and z`."""
    head, last = told[:-1], told[-1]
    return f"{', '.join(head)} and {last}" if head else last


def _is_bare(node: ast.expr) -> bool:
    match node:
        case ast.Name() | ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return True
        case _:
            return False


def _parts(words: str) -> int:
    return sum(f"{{{letter}}}" in words for letter in "abc")


def _is_clause(node: ast.Call) -> bool:
    match node.func:
        case ast.Name(id=name):
            return name in ("any", "all")
        case ast.Attribute(attr=name):
            return name in _TESTS
        case _:
            return False
