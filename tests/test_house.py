"""Laws of the house: who may import what, what the documents promise."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pbb.records import ITEM_SCHEMA, REQUIRED_COLUMNS
from search_spaces.factors import FactorGrid
from search_spaces.study_file import Study, load_study, parse_study
from study.plan import make_plan

ROOT = Path(__file__).parents[1]
PACKAGES = ("study", "pbb", "search_spaces", "analysis")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads(read("pyproject.toml"))["project"]
    return table


def imported(path: Path) -> set[str]:
    """Top-level names of all absolute imports of a file, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


# --- rooms


def test_ray_is_imported_in_its_backend_only() -> None:
    users = {path.relative_to(ROOT) for path in SOURCES if "ray" in imported(path)}
    strays = {p for p in users if not p.match("study/backends/ray_*.py")}
    assert not strays


def test_nothing_is_called_utils() -> None:
    """A module named for its reason to change is one that a reader can find."""
    assert not [path for path in SOURCES if path.stem in ("utils", "util", "helpers", "misc")]


def test_a_file_has_at_most_300_lines() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert not [str(path.relative_to(ROOT)) for path, count in lines.items() if count > 300]


def test_packages_are_marked_as_typed() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in PACKAGES)


# --- pins


def pins() -> dict[str, str]:
    lines = read("constraints.txt").splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", row) for row in rows), (
        "constraints.txt holds name==version only: no address, no local build"
    )
    return {canonicalize_name(name): version for name, version in (r.split("==") for r in rows)}


def test_every_dependency_is_pinned_within_its_range() -> None:
    data = project()
    wanted = list(chain(data["dependencies"], *data["optional-dependencies"].values()))
    pinned = pins()
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in pinned, f"{name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{name}=={pinned[name]} is outside"


# --- documents


def test_documented_item_columns_are_the_schema() -> None:
    """docs/contracts.md names each column with its type; bold means required."""
    section = read("docs/contracts.md").split("## Item rows")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\*\*)?`(\w+)`(?:\*\*)? \| (\w+) \|", section, flags=re.MULTILINE)
    documented = {name: kind for _, name, kind in rows}
    assert documented == {name: str(kind) for name, kind in ITEM_SCHEMA.items()}
    assert {name for bold, name, _ in rows if bold} == set(REQUIRED_COLUMNS)


def test_documented_study_keys_are_the_schema() -> None:
    section = read("docs/contracts.md").split("## Study file")[1].split("\n## ")[0]
    table, factors = section.split("Factors:")
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(Study.model_fields)
    named = set(re.findall(r"`(\w+)`", factors.split(".")[0]))
    assert named == set(FactorGrid.model_fields)


def test_the_studies_of_the_readme_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", read("README.md"), re.DOTALL)
    study, claims, curricula, shop = blocks
    assert parse_study(study + claims, "README.md").name == "my-study"
    both = "factors:\n  curriculum: [proactive, read-then-practise]\n"
    written = parse_study(study.replace("factors:\n", both) + curricula, "README.md")
    assert make_plan(written).trials
    assert shop == read("docs/shop.yaml")
    assert len(shop.splitlines()) < 20
    functions = load_study(ROOT / "docs" / "shop.yaml").domain.model_dump()["functions"]
    assert len(functions) == 5


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/cluster.md", ".ci/run"])
def test_commands_of_documents_are_targets(document: str) -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", read("Makefile"), re.MULTILINE))
    named = set(re.findall(r"^ *make ([a-z][\w-]*)|`make ([a-z][\w-]*)`", read(document), re.M))
    assert {first or second for first, second in named} <= targets


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/cluster.md"]
)
def test_links_of_documents_lead_somewhere(document: str) -> None:
    here = (ROOT / document).parent
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(document))
    assert not [link for link in links if not (here / link).exists()]


@pytest.mark.parametrize(
    "script", [".ci/run", "docs/picture.sh", "tests/cluster/rehearse.sh", "tests/cluster/steps.sh"]
)
def test_scripts_parse_and_are_executable(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)
