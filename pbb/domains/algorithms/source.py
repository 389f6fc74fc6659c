"""Python text -> one function that stands alone, and back to text under any name. Runs nothing.

What the function needs of its file (helpers, constants, imports) moves inside it, so that the text
a model reads is all that runs. Annotations, comments and docstrings go; the problem statement, if
there is one, is kept as the docstring, and shown as prose only.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from pbb.domains.algorithms.answers import arguments
from pbb.domains.algorithms.child.screening import text_refusal
from pbb.domains.algorithms.defaults import with_values
from pbb.domains.algorithms.renaming import refuse_unsafe, rename, whole_word
from pbb.domains.algorithms.scopes import is_future, needs, refuse_changed, refuse_clashes
from pbb.domains.algorithms.state import refuse_kept
from pbb.domains.algorithms.syntax import NotAProgram, bare

PLACEHOLDER: Final = "program_"
"""The function's name until it is given one."""
MAX_INSTRUCTION_CHARS: Final = 4_000
"""Of a function on its own; a longer one fits no base's context beside a trace."""
NO_EXAMPLES: Final = "an instruction shows no execution; give examples after >>>, below it"
MAX_SHOWN_CHARS: Final = 200
"""Of the arguments of a call in a statement: longer ones are not looked for."""


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
        module = bare(text)
        function = _defined(module, name)
        refuse_changed(module.body, function)
        refuse_kept(module.body, function)
        with_values(module.body, function)
        needed = [node for node in needs(module.body, function) if not is_future(node)]
        refuse_clashes(needed, function)
        function.body = [*needed, *function.body]
        _refuse_globals(function)
        refuse_unsafe(function)
        rename(function, name, PLACEHOLDER)
        if statement:
            told = whole_word(name).sub(PLACEHOLDER, statement)
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
    rename(found, PLACEHOLDER, name)
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
