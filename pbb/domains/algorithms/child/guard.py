"""The second layer: few builtins, cut-down modules, and an audit hook that refuses the rest."""

from __future__ import annotations

import builtins
import importlib
import sys
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any, Final

from .allowed import BUILTINS, MODULES

_ORIGINALS: Final = {name: importlib.import_module(name) for name in MODULES}
"""Loaded before privileges are dropped: afterwards no file can be read."""


@dataclass
class Watch:
    """refused: the first audited act that was refused, whether the function noticed or not."""

    refused: str | None = None


def namespace() -> dict[str, Any]:
    """Globals for one run of a source: nothing in them outlives it."""
    allowed: dict[str, Any] = {name: getattr(builtins, name) for name in BUILTINS}
    allowed["__import__"] = _import
    return {"__name__": "function", "__builtins__": allowed}


def _import(
    name: str, globals: object = None, locals: object = None, names: Any = (), level: int = 0
) -> ModuleType:
    if level or name not in MODULES:
        raise ImportError(f"{name} may not be imported")
    module = ModuleType(name)  # a new one each time: what a run binds in it is gone with the run
    for each in MODULES[name]:
        setattr(module, each, getattr(_ORIGINALS[name], each))
    return module


def watch(own: CodeType) -> Watch:
    """Refuses every audited act of this process from now on, for good, but to run `own`.

    Files, sockets, processes, imports, ctypes, code objects, frames and trace functions are all
    audited (docs.python.org/3/library/audit_events.html); a list of bad ones would miss the next.
    """
    seen = Watch()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "exec" and arguments[0] is own:
            return
        if event == "builtins.id" or (event == "object.__getattr__" and arguments[1] == "f_code"):
            return  # our tracer asks for both
        seen.refused = seen.refused or event
        raise PermissionError(f"{event} is refused")

    sys.addaudithook(hook)
    return seen
