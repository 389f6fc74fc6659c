"""Write the golden files anew: `python -m tests.golden.make`; say why in the commit."""

from __future__ import annotations

import hashlib
import json
import tempfile
from importlib import resources
from pathlib import Path

import polars as pl

from pbb.config import NUMERICS_VERSION
from pbb.curricula import compile_run
from pbb.engine import Engine
from pbb.models.registry import resolve
from search_spaces.study_file import load_study
from study.plan import make_plan
from tests.pbb.runs import run

HERE = Path(__file__).parent


def plan() -> list[str]:
    """One line a trial of the quickstart: its factors and its stages' roles."""
    lines = []
    for trial in make_plan(load_study("quickstart")).trials:
        roles = [getattr(s.stage, "role", s.stage.kind) for s in trial.chain]
        factors = ", ".join(f"{k}={v}" for k, v in trial.factors.items() if v is not None)
        lines.append(f"{factors}: {' > '.join(roles)}")
    return lines


def losses() -> list[float]:
    """Stage-1 losses [nats/token] of a short run on nano-xs."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        Engine("cpu").run(compile_run(run(), resolve("nano-xs"))[0], None, out)
        return pl.read_parquet(out / "steps.parquet")["loss_nats_per_token"].to_list()


def library() -> dict[str, str | int]:
    """The library decides which programs a study may hold, so it belongs to the numerics."""
    text = resources.files("pbb.models.nano").joinpath("library_meanings.json").read_bytes()
    return {"numerics": NUMERICS_VERSION, "library": hashlib.sha256(text).hexdigest()}


def main() -> None:
    """Write every golden."""
    for name, value in (("plan", plan()), ("losses", losses()), ("library", library())):
        (HERE / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
