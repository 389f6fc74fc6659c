"""Laws of weight: what stays unloaded when a package, every module of it, is imported.

Each import runs in a fresh interpreter, because this one may have loaded anything already.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for path in getattr(package, "__path__", ()) and pkgutil.walk_packages(
    package.__path__, package.__name__ + "."
):
    importlib.import_module(path.name)
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def loaded_by(package: str, *suspects: str) -> list[str]:
    """Which suspects are loaded once `package` and all its submodules are."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, package, *suspects],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"import of {package} failed:\n{done.stderr}"
    return done.stdout.split()


@pytest.mark.parametrize(
    ("package", "suspects"),
    [
        ("pbb", ("ray", "study", "analysis", "search_spaces")),
        ("pbb.config", ("ray", "torch")),
        ("pbb.records", ("ray", "torch")),
        ("search_spaces", ("ray", "torch", "study", "analysis")),
        ("analysis", ("ray", "torch", "transformers", "study")),
    ],
)
def test_import_leaves_unloaded(package: str, suspects: tuple[str, ...]) -> None:
    assert loaded_by(package, *suspects) == []


def test_the_probe_sees_what_is_loaded() -> None:
    assert loaded_by("json", "json", "ray") == ["json"]
