"""The example of docs/domains.md, taken out of it and put where Python finds packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).parents[2] / "docs" / "domains.md"


def blocks(language: str) -> list[str]:
    """The document's blocks of code in a language, in order."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def example() -> str:
    """Source of the example's one module."""
    return blocks("python")[0]


def project() -> dict[str, Any]:
    """The example's `[project]`."""
    table: dict[str, Any] = tomllib.loads(blocks("toml")[0])["project"]
    return table


def install(folder: Path, name: str, entries: dict[str, str], **modules: str) -> None:
    """Leave in `folder` what an installer would: modules, and metadata with entry points."""
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source, encoding="utf-8")
    metadata = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    (metadata / "METADATA").write_text(about, encoding="utf-8")
    lines = [f"{kind} = {target}" for kind, target in entries.items()]
    told = "\n".join(["[pbb.domains]", *lines, ""])
    (metadata / "entry_points.txt").write_text(told, encoding="utf-8")


def install_example(folder: Path) -> None:
    """The document's package, as its own pyproject names it."""
    entries = project()["entry-points"]["pbb.domains"]
    install(folder, project()["name"], entries, pbb_flips=example())
