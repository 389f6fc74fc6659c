"""Reads YAML as its version 1.2 core schema has it, and nothing that could surprise.

Compared with PyYAML's SafeLoader: `1e-4` is a number and `no` is text; duplicate keys, anchors,
aliases, tags and deep nesting are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from search_spaces.errors import StudyError

MAX_DEPTH: Final = 16
MAX_INT: Final = 2**63 - 1
"""Tables hold no greater integer."""
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@dataclass(frozen=True)
class Document:
    """A parsed file: plain data, and its nodes, which know their lines."""

    source: str
    data: Any
    root: Node

    def walk(self, keys: tuple[str | int, ...]) -> tuple[int, tuple[str | int, ...]]:
        """Line (from 1) of the deepest node on the way along `keys`, and the keys found.

        A key without a node is skipped: the data may name a step, such as a union's tag or the
        index of a lone value, that the author did not write.
        """
        node, line, found = self.root, self.root.start_mark.line, []
        for key in keys:
            child = _child(node, key)
            if child is not None:
                line, node = child
                found.append(key)
        return line + 1, tuple(found)


def read_yaml(text: str, source: str) -> Document:
    """Text -> Document. Raises StudyError with the source and the line."""
    try:
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            data = None if root is None else loader.construct_document(root)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        raise StudyError(f"{source}{line}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise StudyError(f"{source}: is no YAML text: {error}".splitlines()[0]) from error
    if not isinstance(root, MappingNode):
        raise StudyError(f"{source}:1: a study file is a mapping of keys; this holds none")
    return Document(source, data, root)


class _Refusal(yaml.MarkedYAMLError):
    """Well-formed YAML that a study file may not hold."""

    def __init__(self, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """SafeLoader with its own resolvers; see the module's docstring."""

    yaml_implicit_resolvers = {}
    _depth = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _Refusal(
                "anchors and aliases are not taken; write the value out",
                event.start_mark,
            )
        self._depth += 1
        if self._depth > MAX_DEPTH:
            problem = f"nested deeper than {MAX_DEPTH} levels"
            raise _Refusal(problem, event.start_mark)
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _mapping(loader: _Loader, node: MappingNode) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise _Refusal(f"key {key!r} is not text; quote it", key_node.start_mark)
        if key in data:
            raise _Refusal(f"key {key!r} stands twice", key_node.start_mark)
        data[key] = loader.construct_object(value_node, deep=True)
    return data


def _int(loader: _Loader, node: ScalarNode) -> int:
    text = node.value
    try:
        value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    except ValueError as error:
        raise _Refusal(f"{text[:20]!r} is no usable integer", node.start_mark) from error
    if abs(value) > MAX_INT:
        raise _Refusal(f"{text[:20]} is beyond 64-bit integers; lower it", node.start_mark)
    return value


def _float(loader: _Loader, node: ScalarNode) -> float:
    text = node.value.lower().replace(".inf", "inf").replace(".nan", "nan")
    try:
        return float(text)
    except ValueError as error:
        raise _Refusal(f"{text[:20]!r} is no number", node.start_mark) from error


def _refused(loader: _Loader, node: Node) -> None:
    raise _Refusal(f"the tag {node.tag!r} is not taken; write plain data", node.start_mark)


def _child(node: Node, key: str | int) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == key:
                return key_node.start_mark.line, value_node
    if isinstance(node, SequenceNode) and isinstance(key, int) and key < len(node.value):
        return node.value[key].start_mark.line, node.value[key]
    return None


_STR_MAP: Final = "tag:yaml.org,2002:"
for _tag, _pattern, _first in (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", re.compile(rf"(?:{_INT.pattern})\Z"), list("-+0123456789")),
    ("float", re.compile(rf"(?:{_FLOAT.pattern})\Z"), list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_STR_MAP + _tag, re.compile(rf"(?:{_pattern.pattern})\Z"), _first)
_Loader.yaml_constructors = {
    None: _refused,
    _STR_MAP + "null": yaml.SafeLoader.construct_yaml_null,
    _STR_MAP + "bool": yaml.SafeLoader.construct_yaml_bool,
    _STR_MAP + "str": yaml.SafeLoader.construct_yaml_str,
    _STR_MAP + "seq": lambda loader, node: loader.construct_sequence(node, deep=True),
    _STR_MAP + "map": _mapping,
    _STR_MAP + "int": _int,
    _STR_MAP + "float": _float,
}


class Dumper(yaml.SafeDumper):
    """Writes what this module's loader reads back: text that would read as a number is quoted."""


Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
