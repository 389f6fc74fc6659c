"""Malformed inputs: values, names, bytes, and study files that are nearly right."""

from __future__ import annotations

import copy
from functools import lru_cache
from typing import Any

import yaml
from hypothesis import strategies as st

from search_spaces.study_file import SHIPPED
from search_spaces.yaml12 import Dumper, read_yaml
from tests.search_spaces.studies import edited

Data = Any


class Content(bytes):
    """A file's bytes; a failing example shows where they begin, and not megabytes."""

    def __repr__(self) -> str:
        shown = bytes(self[:3000])
        return f"Content({shown!r})" + (f"  # of {len(self)} bytes" if len(self) > 3000 else "")


Path = tuple[str | int, ...]

NAMES = (
    "",
    ".",
    "..",
    "../x",
    "../../../../etc/passwd",
    "/etc/passwd",
    "~nosuch/x",
    "stages",
    "con",
    "a/b",
    "a\\b",
    "a\x00b",
    "a\nb",
    "\x1b[2Jx",
    "\u202egnp",
    "é",
    "🦆",
    "x" * 64,
    "x" * 65,
    "x" * 300,
    "x" * 5000,
    "-rf",
    "--help",
    "{0.__class__}",
    "%s%n",
    "[bold]x[/nosuch]",
    "<script>alert(1)</script>",
    "quickstart",
    "$HOME",
)
"""Names that end up elsewhere, that steer something, or that no file system takes."""

SCALARS = (
    None,
    True,
    0,
    -1,
    1,
    2,
    17,
    1000,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    -(10**30),
    0.0,
    -0.0,
    0.5,
    1.0,
    1e-320,
    1e308,
    float("inf"),
    float("nan"),
)

TEXTS = (
    "\x00",
    "---\n...\n---\n",
    "!!python/object/apply:os.system ['true']",
    "&a [*a]",
    "0x" + "f" * 6000,
    "9" * 6000,
    "1e999999",
    "[" * 3000,
    "{a: " * 60,
    "? [a, b]\n: c",
    '"\\ud800"',
    "\ufeff",
    "%YAML 1.3\n---\na: b",
    "<<: {a: 1}",
    "!!binary aGk=",
    "!!set {a, b}",
    "2024-01-01",
    "*nowhere",
    "|\n  text",
    "\t- tab",
)

BOMB = "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9) if before else 'lol'}]\n"
    for before, name in zip(["", *"abcdefgh"], "abcdefghi", strict=True)
)

names = st.one_of(st.sampled_from(NAMES), st.text(max_size=300))
leaves = st.one_of(st.sampled_from(SCALARS), names)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@lru_cache(maxsize=1)
def sources() -> tuple[str, ...]:
    """A small study first, then those that ship, but for the one that takes long to plan."""
    small = edited("model: base", "model: nano-xs")
    shipped = [path for path in sorted(SHIPPED.rglob("*.yaml")) if path.stem != "scaling"]
    return small, *(path.read_text("utf-8") for path in shipped)


texts = st.sampled_from((*[0] * 3 * len(sources()), *range(len(sources())))).map(
    lambda index: sources()[index]
)
"""Mostly the small study, which is planned at once."""


def places(data: Data, at: Path = ()) -> list[Path]:
    """Every place in nested data, its root left out."""
    inner: list[tuple[str | int, Data]] = []
    if isinstance(data, dict):
        inner = list(data.items())
    elif isinstance(data, list):
        inner = list(enumerate(data))
    return [p for key, value in inner for p in ((*at, key), *places(value, (*at, key)))]


def at(data: Data, place: Path) -> Data:
    """What stands at a place."""
    for key in place:
        data = data[key]
    return data


def nudged(draw: st.DrawFn, value: Data) -> Data:
    """A value of the same type, which may well do."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return draw(st.integers(0, 40))
    if isinstance(value, float):
        return value * draw(st.floats(0, 3))
    if isinstance(value, list) and value:
        return value[: draw(st.integers(1, len(value)))]
    return value


KINDS = ("nudge", "nudge", "remove", "replace", "double", "wrap", "swap", "add")


@st.composite
def mutated(draw: st.DrawFn, data: Data) -> Data:
    """Data with one to three places removed, replaced, doubled, wrapped, swapped or added to."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.sampled_from((1, 1, 1, 2, 3)))):
        known = places(data)
        if not known:
            break
        place = draw(st.sampled_from(known))
        holder, key = at(data, place[:-1]), place[-1]
        kind = draw(st.sampled_from(KINDS))
        if kind == "nudge":
            holder[key] = nudged(draw, holder[key])
        elif kind == "remove":
            del holder[key]
        elif kind == "replace":
            holder[key] = draw(values)
        elif kind == "double":
            holder[key] = [copy.deepcopy(holder[key])] * draw(st.integers(2, 40))
        elif kind == "wrap":
            for _ in range(draw(st.sampled_from((1, 2, 20)))):
                holder[key] = {"kind": holder[key]} if draw(st.booleans()) else [holder[key]]
        elif kind == "swap":
            holder[key] = copy.deepcopy(at(data, draw(st.sampled_from(known))))
        elif isinstance(holder, dict):
            holder[draw(names)] = draw(values)
    return data


@st.composite
def mutated_studies(draw: st.DrawFn) -> str:
    """A study that ships, or the small one, with some of its data changed."""
    text = draw(texts)
    data = draw(mutated(read_yaml(text, "source").data))
    return yaml.dump(data, Dumper=_Whole, sort_keys=False, allow_unicode=True)


@st.composite
def mutated_texts(draw: st.DrawFn) -> str:
    """A study's text with a passage put in, taken out or doubled."""
    lines = draw(texts).splitlines(keepends=True)
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        kind = draw(st.sampled_from(("insert", "value", "double", "remove", "cut", "anchor")))
        key = lines[index].split(":")[0]
        if kind == "insert":
            lines.insert(index, draw(st.sampled_from(TEXTS)) + "\n")
        elif kind == "value":
            lines[index] = f"{key}: {draw(st.sampled_from(TEXTS))}\n"
        elif kind == "double":
            lines.insert(index, lines[index])
        elif kind == "remove" and len(lines) > 1:
            del lines[index]
        elif kind == "cut":
            lines[index] = lines[index][: draw(st.integers(0, len(lines[index])))]
        elif kind == "anchor":
            lines[index] = f"{key}: &x {lines[index].partition(':')[2]}{key}2: *x\n"
    return "".join(lines)


study_bytes = st.one_of(
    mutated_studies().map(lambda text: text.encode("utf-8", "surrogatepass")),
    mutated_texts().map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from((BOMB, BOMB + "name: *i\n", *TEXTS)).map(str.encode),
    st.binary(max_size=200),
).map(Content)
"""Files that someone may call a study."""


@st.composite
def corrupted(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes with a stretch cut out, overwritten or doubled."""
    begin = draw(st.integers(0, len(content)))
    length = draw(st.integers(0, 64) | st.integers(0, len(content)))
    put = draw(st.sampled_from(("", "noise", "twice")))
    inside = content[begin : begin + length]
    middle = {"": b"", "noise": draw(st.binary(max_size=64)), "twice": inside * 2}[put]
    return content[:begin] + middle + content[begin + length :]


class _Whole(Dumper):
    """Writes every value out, as study files must."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
