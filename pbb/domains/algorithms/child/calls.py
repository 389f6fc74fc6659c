"""The process that runs one function on its inputs, one after the other, and reports each."""

from __future__ import annotations

import ast
import json
import math
import os
import random
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any, Final, NoReturn

from .confine import RESULTS_FD, confine
from .guard import namespace, watch
from .loading import loaded
from .screening import refusal
from .tracing import SOURCE, Stopped, Tracer
from .values import NotPlain, literal

Row = tuple[str | None, str, str, str | None]
"""Answer, trace, path and error of a call, as in sandbox.Ran."""

MAX_CALL_CHARS: Final = 2000
MAX_MESSAGE_CHARS: Final = 80
RECURSION_LIMIT: Final = 3000
"""Of the interpreter: several frames for each of MAX_NESTED, where keys or caches lie between."""


def run(job: dict[str, Any], start: int, limits: dict[str, Any], results_fd: int) -> NoReturn:
    """Runs calls `start` and onwards; ends the process. job, limits: see the host's sandbox.py.

    Writes a line of JSON when all is ready, {"layers": [...]} or {"refused": reason}, and a Row
    after each call. Stops early after a call that leaves the process in doubt.
    """
    seconds = math.ceil(limits["seconds"]) + 1
    try:
        layers = confine(results_fd, seconds, limits["memory_mb"] << 20)
        reason = refusal(job["source"], job["name"])
        if reason:
            _send({"refused": reason})
            os._exit(0)
        code = loaded(job["source"], SOURCE)
        arguments = [_arguments(job["kind"], call) for call in job["calls"][start:]]
        _send({"layers": layers})
        _run_all(code, job, arguments, limits)
        os._exit(0)
    finally:
        os._exit(1)


def _send(message: object) -> None:
    text = json.dumps(message).encode() + b"\n"
    while text:
        text = text[os.write(RESULTS_FD, text) :]


def _arguments(kind: str, call: str) -> tuple[Any, ...] | None:
    """Arguments of a call; null where they are no literals."""
    if kind == "inputs":
        return (random.Random(call),)
    if len(call) > MAX_CALL_CHARS:
        return None
    try:
        parsed = ast.literal_eval(f"({call},)" if call.strip() else "()")
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return None
    return parsed if isinstance(parsed, tuple) else None


def _run_all(
    code: CodeType, job: dict[str, Any], arguments: list[Any], limits: dict[str, Any]
) -> None:
    tracer = Tracer(limits["steps"], limits["trace_values"])
    write = _draw if job["kind"] == "inputs" else literal
    sys.setrecursionlimit(RECURSION_LIMIT)
    sys.settrace(tracer)
    seen = watch(code)
    for each in arguments:
        answer, error = _call(code, job["name"], each, tracer, write, limits["answer_chars"])
        sound = not (tracer.stopped or seen.refused) and sys.gettrace() == tracer
        if tracer.stopped:
            error = tracer.stopped
        elif seen.refused:
            error = f"refused at run time: {seen.refused}"
        elif not sound:
            error = "its trace was interfered with"
        elif error is None and tracer.too_long:
            error = "trace too long"
        row = (answer if sound else None, tracer.trace if error is None else "", tracer.path, error)
        _send(row)
        if not sound:
            return


def _call(
    code: CodeType,
    name: str,
    arguments: Any,
    tracer: Tracer,
    write: Callable[[Any, int], str],
    chars: int,
) -> tuple[str | None, str | None]:
    """Answer, or error."""
    tracer.reset()
    if arguments is None:
        return None, "its arguments are no Python literals"
    try:
        variables = namespace()
        exec(code, variables)
        function = variables[name]
        tracer.record()
        return write(function(*arguments), chars), None
    except NotPlain as error:
        return None, f"answer: {error}"
    except MemoryError:
        return None, "out of memory"
    except RecursionError:
        return None, "recursion too deep"
    except (Exception, Stopped) as error:
        return None, _named(error)


def _named(error: BaseException) -> str:
    """What was raised. Reads no more than exact text: a user's class could answer otherwise."""
    arguments = BaseException.args.__get__(error)  # type: ignore[attr-defined]
    said = arguments[0] if arguments and type(arguments[0]) is str else ""
    cut = "".join(each for each in said[:MAX_MESSAGE_CHARS] if each.isprintable())
    return f"raised {type(error).__name__[:MAX_MESSAGE_CHARS]}" + (f": {cut}" if cut else "")


def _draw(value: Any, chars: int) -> str:
    """Arguments that `inputs(rng)` drew, as they stand between the parentheses of a call."""
    if type(value) is not tuple:
        raise NotPlain("inputs(rng) must return a tuple of arguments")
    return ", ".join(literal(each, chars) for each in value)
