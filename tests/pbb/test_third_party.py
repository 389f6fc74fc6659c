"""A domain of somebody else's: found by its entry point, named in a study, told where it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from pbb.config import Base, CorpusConfig
from pbb.corpus import build_corpus
from pbb.domains.configs import ArithmeticConfig
from pbb.domains.registry import SHIPPED, FailedDomain, UnknownDomain, domain_class, domain_of
from search_spaces.errors import StudyError
from search_spaces.study_file import dump_study, parse_study
from study.plan import check_corpora, make_plan
from tests.pbb.example_domain import DOCUMENT, blocks, example, install, install_example, project
from tests.study.test_cli import run

BROKEN = {
    "raising": "raise RuntimeError('no licence')",
    "lacking": "",
    "strange": "Domain = object()",
}
"""Module of a plug-in -> its source."""


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that Python searches, with the documented example in it."""
    install_example(tmp_path)
    entries = {f"{module}-kind": f"{module}_domain:Domain" for module in BROKEN}
    modules = {f"{module}_domain": source for module, source in BROKEN.items()}
    install(tmp_path, "broken", entries, **modules)
    install(tmp_path, "usurper", dict.fromkeys(SHIPPED, "pbb_flips:Flips"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    yield tmp_path
    sys.modules.pop("pbb_flips", None)
    domain_class.cache_clear()
    domain_of.cache_clear()


def printed(code: str) -> str:
    """What a fresh interpreter, which sees the same folder, prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_the_example_is_short() -> None:
    assert len(example().splitlines()) < 60
    assert all(len(line) <= 100 for line in example().splitlines())


def test_an_entry_point_is_found() -> None:
    found = domain_class("flips")
    assert found.__name__ == "Flips"
    assert set(project()["entry-points"]["pbb.domains"]) == {"flips"}


def test_its_corpus_comes_back_from_json() -> None:
    config = CorpusConfig.model_validate({"domain": {"kind": "flips", "steps": 5}, "data_seed": 1})
    assert json.loads(config.model_dump_json())["domain"] == {
        "kind": "flips",
        "inputs": 24,
        "steps": 5,
    }
    assert CorpusConfig.model_validate_json(config.model_dump_json()) == config


def test_another_process_finds_it_too() -> None:
    config = CorpusConfig.model_validate(
        {"domain": {"kind": "flips"}, "data_seed": 1, "acquisition": 4}
    )
    code = (
        "from pbb.config import CorpusConfig;from pbb.corpus import build_corpus;"
        f"print(build_corpus(CorpusConfig.model_validate_json({config.model_dump_json()!r})).target)"
    )
    assert printed(code) == f"{build_corpus(config).target}\n"


def test_the_document_runs_as_written() -> None:
    assert printed(blocks("python")[1]) == ""
    tests = blocks("python")[2]
    assert "def test_flips_obey" in tests
    compile(tests, str(DOCUMENT), "exec")


def test_a_study_names_it() -> None:
    study = parse_study(blocks("yaml")[0], "flips.yaml")
    assert parse_study(dump_study(study), "flips.yaml") == study
    base = Base(name="any", sha256="0" * 64, n_params=1)
    plan = make_plan(study, resolve=lambda name: base)
    check_corpora(plan)
    kinds = {stage.stage.corpus.domain.kind for stage in plan.stages().values()}
    assert kinds == {"flips"}
    told = {stage.stage.corpus.representation for stage in plan.stages().values()}
    assert told == {"code", "prose"}


def test_a_failure_while_telling_is_the_domains(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not the representation's: another one would not mend it."""

    def fails(*about: object) -> str:
        raise ZeroDivisionError("no licence")

    monkeypatch.setattr(domain_class("flips"), "instruction", fails)
    base = Base(name="any", sha256="0" * 64, n_params=1)
    plan = make_plan(parse_study(blocks("yaml")[0], "flips.yaml"), resolve=lambda name: base)
    with pytest.raises(StudyError, match="no licence") as caught:
        check_corpora(plan)
    assert isinstance(caught.value.__cause__, FailedDomain)


def test_settings_are_checked_like_any_other() -> None:
    text = blocks("yaml")[0]
    assert "steps: 5" in text
    for wrong, named in (("steps: 200", "less than or equal to 8"), ("stepz: 5", "stepz")):
        with pytest.raises(StudyError, match=named):
            parse_study(text.replace("steps: 5", wrong), "flips.yaml")


def test_an_unknown_kind_names_those_at_hand() -> None:
    with pytest.raises(UnknownDomain, match="unknown domain 'flops'") as caught:
        domain_class("flops")
    assert all(kind in str(caught.value) for kind in (*SHIPPED, "flips", "entry point"))
    with pytest.raises(ValidationError, match="unknown domain 'flops'"):
        CorpusConfig.model_validate({"domain": {"kind": "flops"}, "data_seed": 1})


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("raising-kind", "RuntimeError: no licence"),
        ("lacking-kind", "AttributeError"),
        ("strange-kind", r"names no pbb\.domains\.domain\.Domain"),
    ],
)
def test_a_broken_plug_in_is_named(kind: str, says: str) -> None:
    with pytest.raises(UnknownDomain, match=rf"domain '{kind}'.*{says}"):
        domain_class(kind)
    with pytest.raises(ValidationError, match=says):
        CorpusConfig.model_validate({"domain": {"kind": kind}, "data_seed": 1})


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_shipped_kind_cannot_be_usurped(kind: str) -> None:
    domain_class.cache_clear()
    assert domain_class(kind).__module__.startswith("pbb.domains.")


def test_a_shipped_configuration_keeps_its_class() -> None:
    config = CorpusConfig.model_validate({"domain": {"kind": "arithmetic"}, "data_seed": 1})
    assert type(config.domain) is ArithmeticConfig


FAULTS = {
    "import": ("", "raise SystemExit('no licence')"),
    "making": (
        "    Config = FlipsConfig",
        "    def __init__(self, config): raise KeyError('licence')",
    ),
    "drawing": ("        while True:", "        raise SystemExit('no licence')"),
    "telling": ("        lines = [", "        raise ZeroDivisionError('no licence')"),
    "own kind of value": ("        lines = [", "        raise Odd('no licence')"),
    "configuring": (
        "    inputs: Annotated",
        "    def model_post_init(self, _): raise SystemExit('no licence')",
    ),
}
"""Where -> (the line of the example that it stands before, what it does there)."""


@pytest.mark.parametrize("command", ["plan", "data", "launch"])
@pytest.mark.parametrize("where", FAULTS)
def test_a_domain_that_fails_is_named_and_exits_2(
    site: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    where: str,
    command: str,
) -> None:
    before, fault = FAULTS[where]
    kind, module = f"faulty-{len(where)}", f"faulty_{len(where)}"
    text = example().replace('"flips"', f'"{kind}"') + "\n\nclass Odd(ValueError):\n    pass\n"
    at = text.index(before) if before else len(text)
    install(site, module, {kind: f"{module}:Flips"}, **{module: f"{text[:at]}{fault}\n{text[at:]}"})
    study = site / "study.yaml"
    study.write_text(blocks("yaml")[0].replace("kind: flips", f"kind: {kind}"))
    domain_class.cache_clear()
    assert run(monkeypatch, command, study, *(["--root", site] if command != "data" else [])) == 2
    said = capsys.readouterr().err
    assert f"pbb.domains: {kind} = {module}:Flips" in said
    assert "licence" in said and "Traceback" not in said
    sys.modules.pop(module, None)
