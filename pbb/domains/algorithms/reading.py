"""A folder of .py and JSONL files -> functions as text. Nothing in it is imported or executed.

In a .py file every top-level function is a program, unless its name begins with `_`. Its inputs
come from a generator, `inputs_<name>(rng)` (or `inputs(rng)` where the file has one function);
else from `EXAMPLES = {"<name>": ["[1, 2], 3"]}`; else from `>>> name([1, 2], 3)` in its docstring.
The docstring's first paragraph states the problem, and ends where an example begins. A JSONL file
has an object a line, with the keys of FunctionSource. The library that ships is such a folder.
"""

from __future__ import annotations

import ast
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from pydantic import ValidationError

from pbb.domains.algorithms.examples import examples, first_paragraph, shown
from pbb.domains.algorithms.overlooked import overlooked
from pbb.domains.algorithms.scopes import binds, free, is_future, needs, refuse_changed
from pbb.domains.algorithms.source import NO_EXAMPLES, shown_call
from pbb.domains.algorithms.state import refuse_kept
from pbb.domains.algorithms.syntax import NotAProgram, bare, parsed
from pbb.domains.configs import FunctionSource

MAX_FOLDER_BYTES: Final = 1_000_000
SUFFIXES: Final = (".py", ".jsonl")
LIBRARY: Final = Path(__file__).parent / "library"

Tier = Literal["easy", "medium", "hard"]


class UnreadableFolder(ValueError):
    """A folder that gives no functions: why."""


@dataclass(frozen=True)
class Refusal:
    """where: file, and line or function; reason: why it gives no function; late: whether that is
    for want of seconds, which another machine might have.
    """

    where: str
    reason: str
    late: bool = False


@dataclass(frozen=True)
class Found:
    """functions: as they can be told; files: text of the file that each is of, by its name."""

    functions: tuple[FunctionSource, ...]
    refusals: tuple[Refusal, ...]
    files: Mapping[str, str]


def read_folder(path: Path) -> Found:
    """Functions of all .py and .jsonl files of a folder in the order of their names, and what was
    refused. Folders inside it are not entered. Raises UnreadableFolder.
    """
    if not path.is_dir():
        raise UnreadableFolder(f"folder {str(path)!r} is not there, or is no folder")
    functions: dict[str, FunctionSource] = {}
    files: dict[str, str] = {}
    refusals: list[Refusal] = []
    left = MAX_FOLDER_BYTES
    for file in sorted(each for each in path.iterdir() if each.suffix in SUFFIXES):
        try:
            text = _text(file, left)
        except NotAProgram as error:
            refusals.append(Refusal(file.name, str(error)))
            continue
        left -= len(text.encode())
        for each in (_python if file.suffix == ".py" else _jsonl)(text, file.name):
            if isinstance(each, FunctionSource) and each.name in functions:
                each = Refusal(f"{file.name}: {each.name}", "a second function of this name")
            if isinstance(each, Refusal):
                refusals.append(each)
            else:
                functions[each.name] = each
                files[each.name] = text if file.suffix == ".py" else each.source
    executing = tuple(_executing(functions))
    silent = [name for name in functions if name not in {each.where for each in executing}]
    return Found(tuple(functions[name] for name in silent), (*refusals, *executing), files)


def _executing(functions: Mapping[str, FunctionSource]) -> Iterator[Refusal]:
    """Those whose statement shows a call of another: that one may be a target."""
    for function in functions.values():
        for name in (each for each in functions if each != function.name):
            shown = shown_call(function.statement, name)
            if shown:
                yield Refusal(function.name, f"its statement holds {shown}: {NO_EXAMPLES}")
                break


@lru_cache(maxsize=8)
def library(tiers: tuple[Tier, ...]) -> tuple[FunctionSource, ...]:
    """The functions that ship, of these tiers. Files are named <category>_<tier>.py."""
    functions: list[FunctionSource] = []
    for file in sorted(LIBRARY.glob("*_*.py")):
        if file.stem.rpartition("_")[2] in tiers:
            for each in _python(file.read_text(encoding="utf-8"), file.name):
                assert isinstance(each, FunctionSource), each
                functions.append(each)
    return tuple(functions)


def _text(file: Path, most_bytes: int) -> str:
    """A regular file's text; links are not followed. Raises NotAProgram."""
    if file.is_dir() and not file.is_symlink():
        raise NotAProgram("a folder, and folders inside are not entered; move its files out")
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        reason = "a link; copy the file" if file.is_symlink() else str(error.strerror)
        raise NotAProgram(reason) from None
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotAProgram("no regular file")
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise NotAProgram(f"the folder holds over {MAX_FOLDER_BYTES} bytes; split it")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise NotAProgram(f"not UTF-8: {error.reason} at byte {error.start}") from None


def _python(text: str, file: str) -> Iterator[FunctionSource | Refusal]:
    try:
        module, plain = parsed(text), bare(text)
        given = examples(module)
    except NotAProgram as error:
        yield Refusal(file, str(error))
        return
    defined = _functions(module)
    public = [name for name in defined if not re.match("_|inputs(_|$)", name)]
    for name in public:
        generator = f"inputs_{name}"
        if generator not in defined and len(public) == 1:
            generator = "inputs"
        docstring = ast.get_docstring(defined[name]) or ""
        if changed := _changed(plain, name) or _changed(plain, generator):
            yield Refusal(f"{file}: {name}", changed)
            continue
        yield _made(
            f"{file}: {name}",
            name=name,
            source=_with_needs(text, module, defined[name]),
            statement=first_paragraph(docstring),
            examples=given.get(name) or shown(docstring, name),
            generator=_as_inputs(text, module, defined[generator]) if generator in defined else "",
        )
    named = {"inputs", *(f"inputs_{name}" for name in public)}
    for name in [*defined, *given]:
        if name not in {*public, *named} and not name.startswith("_"):
            yield Refusal(f"{file}: {name}", "inputs of a function that is not there")
    for name, reason in overlooked(module):
        yield Refusal(f"{file}: {name}", reason)


def _changed(plain: ast.Module, name: str) -> str | None:
    """Why a function, where there is one of the name, cannot be taken out of its file."""
    function = _functions(plain).get(name)
    try:
        if function is not None:
            refuse_changed(plain.body, function)
            refuse_kept(plain.body, function)
    except NotAProgram as error:
        return f"{name} {error}"
    return None


def _functions(module: ast.Module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}


def _made(where: str, **fields: object) -> FunctionSource | Refusal:
    try:
        return FunctionSource.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        field = ".".join(map(str, wrong["loc"]))
        if wrong["type"] == "extra_forbidden":
            known = ", ".join(FunctionSource.model_fields)
            return Refusal(where, f"unknown key {field!r}; known are {known}")
        return Refusal(where, f"{field}: {wrong['msg']}" if field else str(wrong["msg"]))


def _with_needs(text: str, module: ast.Module, function: ast.FunctionDef) -> str:
    """Whole lines, as their author wrote them."""
    lines = text.split("\n")
    chosen: dict[int, str] = {}
    for part in (*needs(module.body, function), function):
        first = min([part.lineno, *(each.lineno for each in getattr(part, "decorator_list", []))])
        for i in range(first - 1, part.end_lineno or part.lineno):
            chosen[i] = lines[i]
    return "\n".join(chosen.values()) + "\n"


def _as_inputs(text: str, module: ast.Module, generator: ast.FunctionDef) -> str:
    """The generator and what it needs, called `inputs`."""
    source = _with_needs(text, module, generator)
    if generator.name == "inputs":
        return source
    module = parsed(source)
    own = _functions(module)[generator.name]
    others = (each for each in module.body if each is not own)
    if "inputs" in {name for each in others for name in binds(each)} or any(
        generator.name in free(each) for each in module.body
    ):
        return _inside_inputs(module, generator.name)
    lines = source.split("\n")
    lines[own.lineno - 1] = lines[own.lineno - 1].replace(generator.name, "inputs", 1)
    return "\n".join(lines)


def _inside_inputs(module: ast.Module, name: str) -> str:
    """Where `inputs` is another's name, or the generator is called by its own: nothing is renamed
    that strings, attributes or keywords might hold too; all stands inside a new `inputs`.
    """
    whole = parsed(f"def inputs(rng):\n    return {name}(rng)\n")
    (outer,) = _functions(whole).values()
    outer.body[:0] = [each for each in module.body if not is_future(each)]
    return ast.unparse(whole) + "\n"


def _jsonl(text: str, file: str) -> Iterator[FunctionSource | Refusal]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{file}: line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Refusal(where, f"not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield _made(where, **{str(key): value for key, value in row.items()})
        else:
            yield Refusal(where, f"a JSON object is wanted, not {type(row).__name__}")
