"""A safe evaluator of text transformations: whitelisted, made into closures, never `exec`.

Covers functions of a word and a key built from assignments and return; slices, indices and + of
texts; `''.join(... for ...)` over letters, enumerated letters or a range of three bounds; integers
with + - * // %, `len` and `ord`; conditional expressions on one comparison; and `shift` of the
prelude. Anything else is refused before it runs.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Final, NamedTuple

from pbb.domains.evaluator import MAX_SOURCE_CHARS, Limits, UnsafeProgram
from pbb.domains.text_expressions import RESERVED, Compiler, Scope, refused
from pbb.domains.text_operations import Frame, Text

LIMITS: Final = Limits()
MAX_DEPTH: Final = 60
"""Of the syntax tree: closures nest as deep, and must not exhaust the interpreter's stack."""
_PRELUDE: Final = '''\
def shift(c, n):
    """The letter n places after c; a follows {last}."""
    return chr((ord(c) - 97 + n) % {alphabet} + 97)
'''


def prelude(alphabet: int) -> str:
    """Source of `shift`, the one function that programs over so many letters may call."""
    return _PRELUDE.format(last=chr(96 + alphabet), alphabet=alphabet)


class Stage(NamedTuple):
    """What one statement did.

    values: as they arose, letters taken, shifts' amounts, letters that a shift or an index gave;
    never source. word: what the statement made.
    """

    values: tuple[int | str, ...]
    word: str


class TextExecution(NamedTuple):
    """A run on one word and key: the word returned, and a stage for each statement."""

    answer: str
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class TextFunction:
    """A parsed, whitelisted function; calling it evaluates it on a word and a key.

    statements: the slot that each sets, and what it sets it to; the last one is returned.
    words, numbers: slots in use.
    """

    name: str
    statements: tuple[tuple[int, Text], ...]
    words: int
    numbers: int

    def __call__(self, word: str, key: int, limits: Limits = LIMITS) -> TextExecution:
        """Raises EvaluationError on a limit, a division by zero, a wrong index or no letter."""
        frame = Frame(self.words, self.numbers, limits)
        frame.words[0] = word
        frame.numbers[0] = key
        stages: list[Stage] = []
        for slot, text in self.statements:
            frame.spend(1)
            made = frame.words[slot] = text(frame)
            stages.append(Stage(tuple(frame.values), made))
            frame.values.clear()
        return TextExecution(stages[-1].word, tuple(stages))


def parse_text(source: str, alphabet: int) -> TextFunction:
    """Source of one function of a word and a key, over so many letters from a.

    Raises UnsafeProgram naming what is not allowed.
    """
    if len(source) > MAX_SOURCE_CHARS:
        raise UnsafeProgram(f"source of {len(source)} characters exceeds {MAX_SOURCE_CHARS}")
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise UnsafeProgram(f"not Python: {error}") from None
    match module.body:
        case [ast.FunctionDef(decorator_list=[]) as function]:
            _check_depth(function)
            return _function(function, Compiler(alphabet))
        case _:
            raise UnsafeProgram("expected exactly one function definition, without decorator")


def _check_depth(function: ast.FunctionDef) -> None:
    level: list[ast.AST] = [function]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise UnsafeProgram(f"{function.name}: nested more than {MAX_DEPTH} deep")


def _function(node: ast.FunctionDef, compiler: Compiler) -> TextFunction:
    scope = _parameters(node, compiler)
    statements: list[tuple[int, Text]] = []
    for statement in node.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                text = compiler.text(value, scope)
                scope, slot = compiler.bind_text(name, scope)
                statements.append((slot, text))
            case ast.Return(value=ast.expr() as value) if statement is node.body[-1]:
                statements.append((0, compiler.text(value, scope)))
                return TextFunction(node.name, tuple(statements), compiler.words, compiler.numbers)
            case _:
                refused(statement, "a statement here")
    raise UnsafeProgram(f"{node.name}: ends without return")


def _parameters(node: ast.FunctionDef, compiler: Compiler) -> Scope:
    args = node.args
    extra = args.posonlyargs or args.kwonlyargs or args.vararg or args.kwarg or args.defaults
    names = [arg.arg for arg in args.args]
    typed = node.returns is not None or any(arg.annotation is not None for arg in args.args)
    typed = typed or bool(getattr(node, "type_params", ()))  # Python 3.12's `def f[T](s, k)`
    if extra or typed or len(names) != 2 or names[0] == names[1]:
        raise UnsafeProgram(f"{node.name}: expected two plain arguments, a word and a key")
    if node.name in RESERVED:
        raise UnsafeProgram(f"{node.name!r} has a meaning of its own; name the function otherwise")
    scope, _ = compiler.bind_text(names[0], Scope({}, {}))
    scope, _ = compiler.bind_number(names[1], scope)
    return scope
