"""Run folders and item files of any content: read, refused with a message, never written beside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pbb.records import ITEM_SCHEMA, SCHEMA_KEY
from search_spaces.study_file import dump_study, parse_study
from search_spaces.yaml12 import read_yaml
from study.trials import TRIAL_SCHEMA
from study.tuned import TUNED_SCHEMA
from tests.analysis.synthetic import World, item_rows, write_study
from tests.fuzz.commands import lawful
from tests.fuzz.malformed import (
    BOMB,
    NAMES,
    TEXTS,
    Content,
    corrupted,
    mutated,
    names,
    sources,
    values,
)

CALM = [HealthCheck.too_slow, HealthCheck.data_too_large]
QUICK_AND_WHOLE = pytest.mark.parametrize(
    "examples", [30, pytest.param(500, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
FIRST = "0" * 32
ROWS = item_rows(World(programs=3, items=2, seeds=2, ns=(1, 4)))

cells = st.one_of(
    st.sampled_from((None, "", "NaN", -1, 0, 2**40, 2**70, 0.5, float("nan"), float("inf"), True)),
    st.sampled_from((*NAMES, "x" * 100_000, '{"a":', "[" * 2000, "../../stages/x", "0" * 32)),
    st.lists(st.integers(-5, 5), max_size=3),
    st.fixed_dictionaries({"fingerprint": names, "kind": names, "cached": st.booleans()}),
)


@st.composite
def tables(draw: st.DrawFn, frame: pl.DataFrame) -> pl.DataFrame:
    """A table with columns missing, renamed, of other types, or with other values in some rows."""
    for _ in range(draw(st.integers(0, 3))):
        if not frame.width:
            break
        name = draw(st.sampled_from(frame.columns))
        kind = draw(st.sampled_from(("drop", "rename", "whole", "some", "cast", "rows", "null")))
        if kind == "drop":
            frame = frame.drop(name)
        elif kind == "rename":
            new = draw(names)
            frame = frame if new in frame.columns else frame.rename({name: new})
        elif kind == "whole":
            value = draw(cells)
            column = pl.Series(name, [value] * frame.height, strict=False)
            frame = frame.with_columns(column)
        elif kind == "some":
            frame = _with_cell(frame, name, draw(cells), draw(st.integers(0, 10**6)))
        elif kind == "cast":
            types = (pl.String, pl.Int8, pl.Float32, pl.Categorical, pl.Binary, pl.Boolean, pl.Date)
            frame = _cast(frame, name, draw(st.sampled_from(types)))
        elif kind == "rows":
            frame = pl.concat([frame, frame.head(draw(st.integers(0, 3)))]).tail(
                draw(st.integers(0, 200))
            )
        else:
            frame = frame.with_columns(pl.lit(None).alias(name))
    return frame


def _with_cell(frame: pl.DataFrame, name: str, value: Any, row: int) -> pl.DataFrame:
    if not frame.height:
        return frame
    listed = frame[name].to_list()
    listed[row % len(listed)] = value
    try:
        return frame.with_columns(pl.Series(name, listed, frame.schema[name], strict=False))
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError):
        return frame


def _cast(frame: pl.DataFrame, name: str, dtype: Any) -> pl.DataFrame:
    try:
        return frame.with_columns(pl.col(name).cast(dtype, strict=False))
    except pl.exceptions.PolarsError:
        return frame


@st.composite
def files(draw: st.DrawFn, frame: pl.DataFrame, suffix: str) -> Content:
    """A table's bytes in a form that its name may or may not tell, whole or corrupt."""
    import io

    out = io.BytesIO()
    table = draw(tables(frame))
    form = draw(st.sampled_from((suffix, suffix, suffix, "csv", "ndjson")))
    try:
        if form == "parquet":
            version = draw(st.sampled_from(("1", "2", "99", "-1", "", "x", "9" * 5000, "¹", "٣")))
            table.write_parquet(out, metadata={SCHEMA_KEY: version})
        elif form == "csv":
            table.write_csv(out)
        else:
            lines = (json.dumps(row, default=str) for row in table.to_dicts())
            out.write("\n".join(lines).encode())
    except (pl.exceptions.PolarsError, UnicodeError, ValueError):
        return Content(b"")
    content = out.getvalue()
    return Content(draw(corrupted(content)) if draw(st.integers(0, 3)) == 0 else content)


@QUICK_AND_WHOLE
@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_any_file_of_item_rows_is_reported_or_refused(
    examples: int, suffix: str, tmp_path: Path
) -> None:
    file = tmp_path / f"rows.{suffix}"

    @settings(max_examples=examples // 2, derandomize=examples <= 50, suppress_health_check=CALM)
    @given(files(ROWS, suffix), st.booleans())
    def law(content: bytes, as_json: bool) -> None:
        file.write_bytes(content)
        options = ["--json"] if as_json else []
        lawful(tmp_path, "report", file, *options, writes=(tmp_path / "rows-report",))

    law()


def _trials() -> pl.DataFrame:
    use = {"fingerprint": "0" * 32, "kind": "stage2", "cached": False}
    known = {"trial": "f" * 32, "run": "r", "status": "ok", "model": "nano-xs", "arm": "none"}
    zeros = {name: 0 for name, kind in TRIAL_SCHEMA.items() if kind.is_numeric()}
    row = {**zeros, **known, "nuisances": "{}", "stages": [use]}
    return pl.DataFrame([row, row | {"status": "failed", "reason": "why"}], schema=TRIAL_SCHEMA)


def _tuned() -> pl.DataFrame:
    told = {"model": "nano-xs", "weights": "lora", "arms": "every"}
    known = {"nuisances": '{"stage2.peak_lr":0.001}', "chosen": True}
    zeros = {name: 0 for name, kind in TUNED_SCHEMA.items() if kind.is_numeric()}
    return pl.DataFrame([{**zeros, **told, **known}], schema=TUNED_SCHEMA)


TUNE = (
    "tune: {nuisances: {stage2.peak_lr: {low: 1e-3, high: 2e-2, log: true}}, "
    "trials: 2, seeds: [101]}\n"
)
STUDY = parse_study(sources()[0] + TUNE, "small")
STUDY_TEXT = dump_study(STUDY)


def _json(draw: st.DrawFn) -> bytes:
    data = {"git": {"commit": "x"}, "earlier": [], "edits": [], "bytes": {"a": 1}, "outcome": {}}
    made = draw(st.one_of(mutated(data), values))
    try:
        return json.dumps(made).encode()
    except ValueError:
        return b"{"


@st.composite
def changes(draw: st.DrawFn) -> dict[str, bytes]:
    """Files of a root, by their path in it, with content of any kind."""
    changed: dict[str, bytes] = {}
    for _ in range(draw(st.integers(1, 2))):
        which = draw(
            st.sampled_from(("study", "manifest", "trials", "tuning", "items", "stage", "done"))
        )
        if which == "study":
            data = read_yaml(STUDY_TEXT, "source").data
            text = st.one_of(
                mutated(data).map(json.dumps),
                st.sampled_from((*TEXTS, BOMB + "question: *i\nprimary: *i\nclaims: *h\n")),
            )
            changed["small/study.yaml"] = draw(text).encode("utf-8", "replace")
            changed["small/study.yaml"] = Content(changed["small/study.yaml"])
        elif which == "manifest":
            changed["small/manifest.json"] = _json(draw)
        elif which == "trials":
            changed["small/trials.parquet"] = draw(files(_trials(), "parquet"))
        elif which == "tuning":
            changed["small/tuning.parquet"] = draw(files(_tuned(), "parquet"))
        elif which == "items":
            some = ROWS.filter(run=ROWS["run"][0])
            changed[f"small/items/{FIRST}.parquet"] = draw(files(some, "parquet"))
        else:
            name = "stage.json" if which == "stage" else "done"
            changed[f"stages/{'0' * 32}/{name}"] = _json(draw)
    return changed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a study and one stage."""
    root = tmp_path_factory.mktemp("whole")
    folder = write_study(ROWS, root / "small")
    for file in (folder / "items").iterdir():  # as a launch names them
        file.rename(file.with_stem(file.stem.zfill(len(FIRST))))
    (folder / "study.yaml").write_text(STUDY_TEXT)
    _trials().write_parquet(folder / "trials.parquet")
    _tuned().write_parquet(folder / "tuning.parquet")
    stage = root / "stages" / ("0" * 32)
    stage.mkdir(parents=True)
    (stage / "stage.json").write_text('{"outcome": {}, "stage": {"kind": "evaluate"}}')
    (stage / "done").write_text('{"bytes": {}}')
    return root


@QUICK_AND_WHOLE
def test_any_run_folder_is_read_or_refused(
    examples: int, tmp_path: Path, whole: Path, nothing_runs: None
) -> None:
    root, out = tmp_path / "runs", tmp_path / "out"
    folder, study = root / "small", tmp_path / "small.yaml"
    study.write_text(STUDY_TEXT)
    told = ("exchange_rates.csv", "exchange_rates.parquet", "report.html")
    commands: dict[str, tuple[tuple[object, ...], tuple[Path, ...]]] = {
        "status": (("status", folder), ()),
        "report": (("report", folder), tuple(folder / name for name in told)),
        "json": (("report", folder, "--json"), ()),
        "plan": (("plan", study, "--root", root), ()),
        "pilot": (("plan", study, "--root", tmp_path / "other", "--pilot", folder), ()),
        "launch": (("launch", study, "--root", root, "--backend", "local"), (root,)),
        "export": (("export", folder, "--out", out), (out,)),
    }

    @settings(max_examples=examples, derandomize=examples <= 50, suppress_health_check=CALM)
    @given(changes(), st.sampled_from(sorted(commands)))
    def law(changed: dict[str, bytes], name: str) -> None:
        for each in (root, out):
            shutil.rmtree(each, ignore_errors=True)
        shutil.copytree(whole, root)
        for path, content in changed.items():
            (root / path).write_bytes(content)
        words, writes = commands[name]
        lawful(tmp_path, *words, writes=writes)

    law()


def test_the_tables_are_those_of_the_contract() -> None:
    assert dict(ROWS.schema).keys() <= ITEM_SCHEMA.keys()
