"""Bases and functions of the user's own, of any content: used, or refused with a message."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbb.models.registry import resolve
from tests.fuzz.commands import lawful
from tests.fuzz.malformed import TEXTS, Content, corrupted, mutated, sources
from tests.fuzz.naming import named

FEW_AND_WHOLE = pytest.mark.parametrize(
    "examples", [8, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
WHOLE = Path(str(resources.files("pbb.models.nano").joinpath("nano-xs")))

FUNCTIONS = (
    b"def f(x):\n    return x + 1\n",
    b"def f(x: int) -> int:\n    while True:\n        x += 1\n",
    b"def f(",
    b"import os\n\ndef f(x):\n    return os.system('true')\n",
    b"f = lambda x: f(x)\n",
    b'{"name": "f", "source": "def f(x): return x", "examples": ["1", "2"]}\n',
    b'{"name": "../f", "source": 3}\n',
    b"[1, 2]\n",
    b"def f(x):\n    return " + b"(" * 300 + b"x" + b")" * 300 + b"\n",
    b"def f(x):\n    return " + b"-" * 5000 + b"x\n",
    "def é(x):\n    return '\ud800'\n".encode("utf-8", "surrogatepass"),
)


@FEW_AND_WHOLE
@pytest.mark.parametrize("command", ["plan", "data"])
def test_any_folder_of_a_base_is_used_or_refused(
    examples: int, command: str, tmp_path: Path
) -> None:
    base, file = tmp_path / "base", tmp_path / "study.yaml"
    shutil.copytree(WHOLE, base)
    file.write_text(named(sources()[0], "model", str(base)))
    files = ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")

    def contents(name: str) -> st.SearchStrategy[tuple[str, Content]]:
        whole = (WHOLE / name).read_bytes()
        changed = st.one_of(corrupted(whole), st.sampled_from(TEXTS).map(str.encode))
        if name.endswith(".json") and name != "tokenizer.json":
            edited = mutated(json.loads(whole)).map(lambda data: json.dumps(data).encode())
            changed = st.one_of(edited, changed)
        return changed.map(Content).map(lambda content: (name, content))

    @settings(max_examples=examples // 2, derandomize=examples <= 50)
    @given(st.sampled_from(files).flatmap(contents))
    def law(change: tuple[str, Content]) -> None:
        name, content = change
        (base / name).write_bytes(content)
        resolve.cache_clear()
        try:
            options = ["--steps", "1", "--count", "0"] if command == "data" else []
            lawful(tmp_path, command, file, *options)
        finally:
            shutil.copy(WHOLE / name, base / name)

    law()


@FEW_AND_WHOLE
def test_any_gguf_file_is_used_or_refused(examples: int, tmp_path: Path) -> None:
    base, file = tmp_path / "base.gguf", tmp_path / "study.yaml"
    file.write_text(named(sources()[0], "model", str(base)))
    head = b"GGUF" + (3).to_bytes(4, "little") + (1).to_bytes(8, "little") * 2

    @settings(max_examples=examples // 2, derandomize=examples <= 50)
    @given(st.one_of(st.binary(max_size=80).map(lambda tail: head + tail), st.binary(max_size=40)))
    def law(content: bytes) -> None:
        base.write_bytes(content)
        resolve.cache_clear()
        lawful(tmp_path, "plan", file)

    law()


@FEW_AND_WHOLE
@pytest.mark.parametrize("name", ["mine.py", "mine.jsonl"])
def test_any_folder_of_functions_is_checked(examples: int, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "functions"
    folder.mkdir()
    content = st.sampled_from(FUNCTIONS)

    @settings(max_examples=examples // 4, derandomize=examples <= 50)
    @given(st.one_of(content, content.flatmap(corrupted)))
    def law(source: bytes) -> None:
        (folder / name).write_bytes(source)
        lawful(tmp_path, "data", "check", folder)

    law()
