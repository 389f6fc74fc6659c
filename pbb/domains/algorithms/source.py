"""Python text -> one function that stands alone, and back to text under any name. Runs nothing.

What the function needs of its file (helpers, constants, imports) moves inside it, so that the text
a model reads is all that runs. Annotations, comments and docstrings go; the problem statement, if
there is one, is kept as the docstring, and shown as prose only.
"""

from __future__ import annotations

import ast
import re
import symtable
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from pbb.domains.algorithms.answers import arguments
from pbb.domains.algorithms.child.screening import text_refusal

PLACEHOLDER: Final = "program_"
"""The function's name until it is given one."""
MAX_INSTRUCTION_CHARS: Final = 4_000
"""Of a function on its own; a longer one fits no base's context beside a trace."""
NO_EXAMPLES: Final = "an instruction shows no execution; give examples after >>>, below it"
MAX_SHOWN_CHARS: Final = 200
"""Of the arguments of a call in a statement: longer ones are not looked for."""
_NOT_OURS: Final = (ast.Constant, ast.Attribute, ast.keyword, ast.alias)
"""What holds text that is no name of the function: a method may be called like it."""


class NotAProgram(ValueError):
    """A source that holds no usable function: why."""


def parsed(text: str) -> ast.Module:
    """The syntax tree. Raises NotAProgram."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in a string is its author's affair
            return ast.parse(text)
    except SyntaxError as error:
        raise NotAProgram(f"not Python: {error.msg}, line {error.lineno}") from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise NotAProgram(f"not readable as Python: {type(error).__name__}") from None


def shown_call(statement: str, name: str) -> str:
    """The first call with its arguments, `f(3, 4)`, that a statement holds; empty where none is."""
    for found in re.finditer(rf"\b{re.escape(name)}\s*\(", statement):
        rest = statement[found.end() : found.end() + MAX_SHOWN_CHARS]
        for i, mark in enumerate(rest):
            if mark == ")" and arguments(rest[:i]):
                return f"{name}({rest[:i]})"
    return ""


@lru_cache(maxsize=4096)
def standalone(text: str, name: str, statement: str = "") -> str:
    """The function `name` of a source, called PLACEHOLDER, with all it needs inside it.

    statement: becomes its docstring. Raises NotAProgram.
    """
    refused = text_refusal(text)
    if refused:
        raise NotAProgram(refused)
    shown = shown_call(statement, name)
    if shown:
        raise NotAProgram(f"its statement holds {shown}: {NO_EXAMPLES}")
    try:
        module = _Bare().visit(parsed(text))
        function = _defined(module, name)
        needed = [node for node in needs(module.body, function) if not _is_future(node)]
        function.body = [*needed, *function.body]
        _refuse_globals(function)
        _Renamed(name, PLACEHOLDER).visit(function)
        if statement:
            told = _whole_word(name).sub(PLACEHOLDER, statement)
            function.body.insert(0, ast.Expr(ast.Constant(" ".join(told.split()))))
        code = _without_blank_lines(ast.unparse(ast.fix_missing_locations(function)))
    except RecursionError:
        raise NotAProgram("nested too deeply") from None
    if len(body(code, PLACEHOLDER)) > MAX_INSTRUCTION_CHARS:
        raise NotAProgram(
            f"longer than {MAX_INSTRUCTION_CHARS} characters with what it needs; split it"
        )
    return code


def _defined(module: ast.Module, name: str) -> ast.FunctionDef:
    """The last definition of `name` at top level, as Python would have it. Raises NotAProgram."""
    found = [n for n in module.body if isinstance(n, ast.FunctionDef) and n.name == name]
    if not found:
        raise NotAProgram(f"no function {name!r} at the top level")
    function = found[-1]
    named_so = [n for n in ast.walk(module) if isinstance(n, ast.Name) and PLACEHOLDER in n.id]
    if named_so:
        raise NotAProgram(f"uses the name {named_so[0].id}, which is taken; rename it")
    if function.decorator_list:
        raise NotAProgram(f"decorated with {ast.unparse(function.decorator_list[0])}; take it off")
    if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own(function)):
        raise NotAProgram("a generator; return a list")
    return function


def _refuse_globals(function: ast.FunctionDef) -> None:
    for node in ast.walk(function):
        if isinstance(node, ast.Global):
            raise NotAProgram(f"side effects: global {', '.join(node.names)}, line {node.lineno}")


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))


def needs(statements: Sequence[ast.stmt], function: ast.FunctionDef) -> list[ast.stmt]:
    """Top-level statements that bind names the function uses, directly or not, in their order."""
    binding: dict[str, list[int]] = {}
    for i, node in enumerate(statements):
        for name in _binds(node):
            binding.setdefault(name, []).append(i)
    found: set[int] = set()
    waiting = _free(function)
    seen = {function.name}
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for i in binding.get(name, []):
            found.add(i)
            waiting |= _free(statements[i])
    return [statements[i] for i in sorted(found)]


def _binds(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).partition(".")[0] for alias in names]
        case ast.Assign() | ast.AugAssign() | ast.AnnAssign():
            stored = (n for n in ast.walk(node) if isinstance(n, ast.Name))
            return [n.id for n in stored if isinstance(n.ctx, ast.Store)]
        case _:
            return []


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _free(statement: ast.stmt) -> set[str]:
    """Names that a statement takes from around it; not what a function calls its own values."""
    try:
        tables = [symtable.symtable(ast.unparse(statement), "<statement>", "exec")]
    except SyntaxError:  # of scopes, such as a `nonlocal` of nothing: it will not run
        return _names(statement)
    names: set[str] = set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        names |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
    return names


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def defined(code: str) -> tuple[str, ...]:
    """Names of the functions inside a standalone one, lambdas that have a name among them."""
    found = []
    for node in ast.walk(_function(code)):
        match node:
            case ast.FunctionDef(name=name) if name != PLACEHOLDER:
                found.append(name)
            case ast.Assign(targets=targets, value=ast.Lambda()):
                found += [each.id for each in targets if isinstance(each, ast.Name)]
    return tuple(found)


def parameters(code: str) -> str:
    """As between the parentheses of the definition."""
    return ast.unparse(_function(code).args)


def parameter_names(code: str) -> tuple[str, ...]:
    """Of the positional parameters."""
    arguments = _function(code).args
    return tuple(each.arg for each in (*arguments.posonlyargs, *arguments.args))


def takes_one(code: str) -> bool:
    """Whether the function can be called with one argument."""
    arguments = _function(code).args
    count = len(arguments.posonlyargs) + len(arguments.args)
    least = count - len(arguments.defaults)
    return least <= 1 <= count or (least <= 1 and arguments.vararg is not None)


def statement(code: str) -> str:
    """The problem statement; empty where there is none."""
    return ast.get_docstring(_function(code)) or ""


def function(code: str, name: str) -> ast.FunctionDef:
    """The function under a name, without its statement."""
    found = _function(code)
    if ast.get_docstring(found) is not None:
        found.body = found.body[1:] or [ast.Pass()]
    _Renamed(PLACEHOLDER, name).visit(found)
    return found


def body(code: str, name: str) -> str:
    """What follows the opening line under a name, indented by 4 blanks."""
    return _without_blank_lines(ast.unparse(function(code, name)).partition("\n")[2])


def _without_blank_lines(text: str) -> str:
    """ast.unparse sets one around a nested function; what is shown is what runs."""
    return "\n".join(line for line in text.split("\n") if line.strip())


def named(text: str, name: str) -> str:
    """A statement that speaks of the function by its name."""
    return text.replace(PLACEHOLDER, name)


def _function(code: str) -> ast.FunctionDef:
    found = ast.parse(code).body[0]
    assert isinstance(found, ast.FunctionDef)
    return found


def _whole_word(name: str) -> re.Pattern[str]:
    """A name where it stands alone or beside underscores: `gcd`, `gcd_of_two`; not `gcdx`."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])")


class _Renamed(ast.NodeTransformer):
    """A function's name wherever an identifier holds it."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = _whole_word(old), new

    def visit(self, node: ast.AST) -> ast.AST:
        for field, value in ast.iter_fields(node):
            if isinstance(value, str) and not isinstance(node, _NOT_OURS):
                setattr(node, field, self._old.sub(self._new, value))
        if isinstance(node, ast.Nonlocal):
            node.names = [self._old.sub(self._new, name) for name in node.names]
        self.generic_visit(node)
        return node


class _Bare(ast.NodeTransformer):
    """Without docstrings and annotations."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign([node.target], node.value), node)
