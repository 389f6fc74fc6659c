"""A Python function told in words: the same statements in the same order, in several phrasings.

Rendered from the syntax tree, so that it says what the source does and nothing else. What is nested
stands in parentheses, and a block of more than one sentence says where it ends, so that a text can
be read in one way only. Covers what simple algorithms need; anything else is refused by its name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Final

from pbb.domains import python_phrasings
from pbb.domains.python_expressions import Expressions, joined, refused
from pbb.domains.python_expressions import NotProse as NotProse

PHRASINGS: Final = len(python_phrasings.PHRASINGS)


def prose(function: ast.FunctionDef, phrasing: int) -> str:
    """The function's statements as sentences. phrasing: 0 .. PHRASINGS - 1. Raises NotProse."""
    teller = _Teller(python_phrasings.PHRASINGS[phrasing])
    try:
        return " ".join(f"{sentence}." for sentence in teller.block(function.body))
    except RecursionError:
        raise NotProse(f"function {function.name} is nested too deeply for prose") from None


class _Teller(Expressions):
    """Tells statements in the words of one phrasing."""

    def block(self, statements: Sequence[ast.stmt]) -> list[str]:
        """Sentences, without their full stops."""
        return [sentence for each in statements for sentence in self._sentences(each)]

    def _sentences(self, node: ast.stmt) -> list[str]:
        match node:
            case ast.For(target=target, iter=source, body=body, orelse=[]):
                opening = self.say("for", self.target(target), self.value(source))
                return self._loop(opening, "end for", body)
            case ast.While(test=test, body=body, orelse=[]):
                return self._loop(self.say("while", self.test(test)), "end while", body)
            case ast.If():
                return self._choice(node)
            case ast.FunctionDef(name=name, args=parameters, body=body, decorator_list=[]):
                opening = self.say("define", f"{name} of {ast.unparse(parameters)}")
                return [opening, *self.block(body), self.say("end define", name)]
            case _:
                return [self._simple(node)]

    def _opened(self, opening: str) -> str:
        return f"{opening}, {self.say('begin')}"

    def _loop(self, opening: str, closing: str, body: Sequence[ast.stmt]) -> list[str]:
        inner = self.block(body)
        if len(inner) == 1 and not _has_arms(body[0]):
            return [f"{opening}, {inner[0]}"]
        return [self._opened(opening), *inner, self.say(closing)]

    def _choice(self, node: ast.If) -> list[str]:
        """One sentence where every arm is a simple statement; else each arm is a block."""
        arms = list(_arms(node))
        heads = [self._head(i, test) for i, (test, _) in enumerate(arms)]
        blocks = [self.block(body) for _, body in arms]
        simple = all(len(body) == 1 and not _is_compound(body[0]) for _, body in arms)
        alone = len(arms) == 1 and len(blocks[0]) == 1 and not _has_arms(arms[0][1][0])
        if simple or alone:
            parts = [f"{head}, {block[0]}" for head, block in zip(heads, blocks, strict=True)]
            return ["; ".join(parts)]
        told = [[self._opened(head), *block] for head, block in zip(heads, blocks, strict=True)]
        return [*(sentence for arm in told for sentence in arm), self.say("end if")]

    def _head(self, arm: int, test: ast.expr | None) -> str:
        if test is None:
            return self.say("else")
        return self.say("elif" if arm else "if", self.test(test))

    def _simple(self, node: ast.stmt) -> str:
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=left)], value=ast.Tuple(elts=right)):
                if len(left) != len(right):
                    raise refused(node, "an assignment of unequal parts")
                pairs = [
                    self.say("assign", self.target(a), self.inner(b))
                    for a, b in zip(left, right, strict=True)
                ]
                return self.say("together", joined(pairs))
            case ast.Assign(targets=[target], value=value):
                return self.say("assign", self.target(target), self.value(value))
            case ast.AugAssign(target=target, op=op, value=value):
                kind = type(op).__name__
                key = self.known(f"{kind}=", node, f"the operator {kind}")
                return self.say(key, self.inner(target), self.inner(value))
            case ast.Return(value=None):
                return self.say("nothing")
            case ast.Return(value=ast.expr() as value):
                return self.say("return", self.value(value))
            case ast.Break() | ast.Continue() | ast.Pass():
                return self.say(type(node).__name__.lower())
            case ast.Delete(targets=[target]):
                return self.say("delete", self.value(target))
            case ast.Expr(value=ast.Call(func=ast.Attribute()) as call):
                return self.method(call, "=")
            case ast.Expr(value=ast.Call() as call):
                return self.say("call", self.value(call))
            case _:
                raise refused(node)


def _arms(node: ast.If) -> Iterator[tuple[ast.expr | None, list[ast.stmt]]]:
    """(test, statements) of if, each elif, and else, whose test is null."""
    yield node.test, node.body
    match node.orelse:
        case [ast.If() as further]:
            yield from _arms(further)
        case []:
            return
        case others:
            yield None, others


def _is_compound(node: ast.stmt) -> bool:
    return isinstance(node, ast.For | ast.While | ast.If | ast.FunctionDef)


def _has_arms(node: ast.stmt) -> bool:
    """An `otherwise` after it could be taken for another's."""
    return isinstance(node, ast.If) and bool(node.orelse)
