"""`pbb-study data` as typed: marks, exit codes, and functions of one's own."""

from __future__ import annotations

from collections import Counter
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
import yaml
from rich.console import Console
from rich.style import Style

from pbb.corpus import build_corpus
from study import data_checks
from study.data_checks import Check
from study.data_export import documents_frame
from study.data_text import GIVEN_STYLE, LEARNT_STYLE
from study.encoders import load_encoder
from study.samples import kind_of, stage_documents, stage_names, training_stages
from tests.study.test_cli import Capture, run
from tests.study.test_data import study, trial


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    data = study().model_dump(mode="json", exclude_unset=True)
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def test_shown_documents_have_their_loss_marked(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, study_file: Path
) -> None:
    assert run(monkeypatch, "data", study_file, "--stage", "stage2", "--count", 2) == 0
    text = capsys.readouterr().out
    encoder = load_encoder("nano-xs")
    stage = training_stages(trial("instruction"))[1]
    first = next(stage_documents(stage, encoder))[1].document
    given, learnt = encoder.shown(first)
    assert learnt.endswith("<eos>") and given.startswith("<bos>")
    assert f"{given}⟦{learnt}⟧" in text.replace("\n   ", "\n")
    assert "WRONG" not in text and "ok: 0" in text
    kinds = Counter(kind_of(d.document) for _, d in stage_documents(stage, encoder))
    shown = sum(min(2, number) for number in kinds.values())
    assert text.count("⟦") == shown + 1, "one more in the legend"


def test_on_a_terminal_colour_marks_the_loss(
    monkeypatch: pytest.MonkeyPatch, study_file: Path
) -> None:
    terminal = Console(force_terminal=True, color_system="standard", file=StringIO(), width=80)
    for module in ("study.cli_text", "study.data_text"):
        monkeypatch.setattr(f"{module}.out", terminal)
    assert run(monkeypatch, "data", study_file, "--stage", "stage2") == 0
    assert isinstance(terminal.file, StringIO)
    text = terminal.file.getvalue()
    assert "⟦" not in text
    dim, marked = (str(Style.parse(s).render("|")) for s in (GIVEN_STYLE, LEARNT_STYLE))
    assert text.count(dim.split("|")[0]) > 3
    assert text.count(marked.split("|")[0]) > 3


def test_an_evaluation_is_shown_with_the_answers_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, study_file: Path
) -> None:
    assert run(monkeypatch, "data", "show", study_file, "--stage", "evaluation") == 0
    text = capsys.readouterr().out
    program = build_corpus(trial("instruction").config.corpus).target[0]
    case = program.draft.cases[program.items[0]]
    assert f"{program.name}({case.input})\n   trace: ⟦{case.answer}⟧" in text


def test_a_leak_exits_1_and_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, study_file: Path
) -> None:
    found = [Check("items", 2, "run zibfil(3)\x1b[31m")]
    monkeypatch.setattr(data_checks.Leaks, "checks", lambda _: found)
    for words in (["data", study_file], ["data", "check", study_file]):
        assert run(monkeypatch, *words) == 1
        shown = capsys.readouterr().out
        assert "WRONG: 2 items, the first: run zibfil(3)" in shown
        assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--arm", "nonesuch"], "it has: both, demonstrations"),
        (["--arm", "in_context", "--stage", "stage2"], "it has: evaluation, homogeneous, stage1"),
        (["--export", "{here}"], "not empty"),
        (["--stage", "stage3"], "stage3"),
        (["--count", "-1"], "--count"),
        (["--export", "{here}/new", "--stage", "evaluation"], "stages that do: stage1, stage2"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_exit_2(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    study_file: Path,
    arguments: list[str],
    says: str,
) -> None:
    words = [word.format(here=study_file.parent) for word in arguments]
    assert run(monkeypatch, "data", study_file, *words) == 2
    assert says in capsys.readouterr().err


def test_an_export_holds_the_stage_and_steps_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, study_file: Path, tmp_path: Path
) -> None:
    asked = ["--stage", "stage2", "--steps", "3", "--export", tmp_path / "new"]
    assert run(monkeypatch, "data", study_file, *asked) == 0
    (written,) = (tmp_path / "new").iterdir()
    stage = training_stages(trial("instruction"))[1]
    wanted = documents_frame(stage, load_encoder("nano-xs"), 3)
    assert written.name == "stage2.parquet"
    assert pl.read_parquet(written).equals(wanted)
    assert set(wanted["step"]) == {1, 2, 3}


def test_a_stage_that_only_another_curriculum_has_is_found() -> None:
    assert stage_names(trial("instruction", "homogeneous")) == ["homogeneous", "evaluation"]


GOOD = '''
def double(n):
    """Twice n."""
    return 2 * n


def inputs_double(rng):
    return (rng.randrange(1000),)
'''
BAD = """
def forever(n):
    while True:
        n += 1


def inputs_forever(rng):
    return (rng.randrange(1000),)
"""


@pytest.mark.parametrize(
    ("files", "code", "says"),
    [
        ({"good.py": GOOD}, 0, ["ok: double"]),
        ({"good.py": GOOD, "bad.py": BAD}, 1, ["ok: double", "WRONG: forever"]),
        ({"bad.py": BAD}, 2, ["WRONG: forever"]),
        ({"notes.txt": "nothing"}, 2, []),
    ],
    ids=["good", "one of two", "bad", "none"],
)
def test_functions_are_checked(
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
    tmp_path: Path,
    files: dict[str, str],
    code: int,
    says: list[str],
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert run(monkeypatch, "data", "check", tmp_path) == code
    shown = capsys.readouterr()
    assert all(each in shown.out for each in says)
    assert ("pbb-study:" in shown.err) == (code == 2)


def test_a_studys_own_functions_are_checked_and_so_are_files_that_give_none(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    other = GOOD.replace("double", "other").replace("2 * n", "3 * n + 1")
    files = {"good.py": GOOD, "other.py": other, "bad.py": BAD, "broken.py": "def f(:"}
    for name, text in files.items():
        (folder / name).write_text(text)
    path = own_study(tmp_path, targets=2)
    assert run(monkeypatch, "data", "check", path, "--steps", "2") == 2
    shown = capsys.readouterr()
    told = ("ok: double", "WRONG: forever", "WRONG: broken.py", "2 of 4")
    assert all(each in shown.out for each in told)
    assert "that hold an evaluated item" in shown.out, (
        "documents of those left are read all the same"
    )
    assert "2 of its functions" in shown.err
    path = own_study(tmp_path, targets=3)
    assert run(monkeypatch, "data", "check", path, "--steps", "2") == 2
    shown = capsys.readouterr()
    assert all(each in shown.out for each in told)
    assert "3 targets are wanted" in shown.err


def own_study(folder: Path, targets: int, prose: str | None = None) -> Path:
    """Of the functions in `mine`; prose: how they are told, where it is in prose."""
    data = study().model_dump(mode="json", exclude_unset=True)
    told = {"representation": "prose"} if prose else {}
    data["factors"] = [{**grid, **told} for grid in data["factors"]]
    data["programs"] = {"targets": targets, "validation": 1, "items_per_program": 5}
    data["domain"] = {"kind": "algorithms", "folder": "mine", "prose": prose or "steps"}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


UNTOLD = {
    "steps": "def double(n):\n    return (n ^ 12) * 3\n",
    "statement": "def double(n):\n    return 2 * n\n",
}


@pytest.mark.parametrize("prose", UNTOLD)
def test_what_prose_cannot_tell_is_said_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path, prose: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD.replace("double", "good").replace("2 * n", "3 * n + 1"))
    (folder / "untold.py").write_text(UNTOLD[prose] + GOOD[GOOD.index("def inputs") :])
    path = own_study(tmp_path, 2, prose)
    assert run(monkeypatch, "data", "check", path) == 2
    shown = capsys.readouterr()
    assert "ok: good" in shown.out and f"WRONG: double: prose: {prose}" in shown.out
    assert "double" in shown.err
    for words in (["plan", path], ["launch", path, "--backend", "local"]):
        assert run(monkeypatch, *words, "--root", tmp_path / "runs") == 2
        assert "double (target) cannot be told as prose" in capsys.readouterr().err
    assert run(monkeypatch, "plan", own_study(tmp_path, 2), "--root", tmp_path / "runs") == 0


def test_text_that_the_tokenizer_has_no_word_for_is_told_by_kind(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD.replace("Twice n.", "Twice n, the café's price."))
    other = GOOD.replace("double", "other").replace("2 * n", "'\u00fc' + str(n)")
    (folder / "other.py").write_text(other)
    path = own_study(tmp_path, 2, "statement")
    assert run(monkeypatch, "data", "check", path, "--steps", "9") == 0
    shown = capsys.readouterr().out
    notes = {line.partition(":")[2] for line in shown.splitlines() if "NOTE" in line}
    assert any("stage2, target declaration:" in each and "café's" in each for each in notes)
    assert any("evaluation, target cot:" in each and "ü" in each for each in notes)
    assert not any("all:" in each for each in notes)
    assert run(monkeypatch, "data", path, "--steps", "9") == 0
    assert "NOTE: stage2, target declaration:" in capsys.readouterr().out


def test_documents_of_a_study_of_functions_are_checked_too(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    assert run(monkeypatch, "data", "check", "algorithms", "--steps", "2") == 0
    shown = capsys.readouterr().out
    assert shown.count("there must be none of these") == 6  # five arms, and the base as it ships
    assert "that hold an evaluated item" in shown
