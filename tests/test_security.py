"""Each protection has a test that fails without it.

Elsewhere: YAML bombs and tags (tests/search_spaces/test_yaml12.py), HTML (tests/analysis/
test_report.py, test_browser.py), generated programs (tests/pbb/test_sandbox.py), clusters'
tokens, dashboards and ports (tests/cluster), anything at all at the commands (tests/fuzz).
"""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from analysis.errors import BadInput
from analysis.report import write_report
from pbb.config import Base, Lora
from pbb.models.adapters import Attached
from pbb.models.loading import load_base
from pbb.models.registry import UnknownModel, resolve
from search_spaces.errors import StudyError
from search_spaces.settings import Resources
from search_spaces.study_file import Study, load_study, smoke_study
from study.export import export
from study.launch import BackendName, launch
from study.store import Store, StoreError
from study.trials import read_trials, write_trials
from tests.analysis.pages import Page
from tests.analysis.synthetic import World, item_rows, write_study
from tests.study.object_stores import s3_server
from tests.study.studies import RUNNER, fake_base, small_study
from tests.test_house import SOURCES

CPU = torch.device("cpu")
CANARY = "canary-7f3a9c51d2e84b60"


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A local base, to be tampered with."""
    folder = tmp_path / "base"
    shutil.copytree(str(resources.files("pbb.models.nano").joinpath("nano-xs")), folder)
    resolve.cache_clear()
    return folder


def edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


# --- names lead nowhere


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/tmp/x",
        "..",
        ".",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "é",
        "A",
        "con",
        "nul.x",
        "stages",
    ],
)
def test_a_study_is_named_as_a_folder_under_its_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder|reserved"):
        small_study(name)
    with pytest.raises(StudyError):
        (tmp_path / "s.yaml").write_text(f"name: {json.dumps(name)}\n")
        load_study(tmp_path / "s.yaml")


@pytest.mark.parametrize("name", ["../../victim", "..", "", "/victim", "0" * 7, "G" * 32])
def test_a_stage_is_named_by_its_fingerprint_alone(name: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    for ask in (store.path, store.has, store.outcome, store.read_items, store.resume_folder):
        with pytest.raises(StoreError):
            ask(name)


def test_rows_of_a_study_folder_name_no_file_outside_it(tmp_path: Path) -> None:
    """A launch removes item rows of trials that are no longer planned."""
    root = tmp_path / "runs"
    victim = tmp_path / "victim.parquet"
    victim.write_bytes(b"precious")
    study = small_study()
    folder = launch(study, root, "local", quiet=True, runner=RUNNER, resolve=fake_base).folder
    rows = read_trials(folder / "trials.parquet")
    foreign = {**rows[0], "trial": "../../../victim"}
    write_trials(folder / "trials.parquet", [*rows, foreign])
    assert (folder / "items" / "../../../victim.parquet").resolve() == victim
    launch(study, root, "local", quiet=True, runner=RUNNER, resolve=fake_base)
    assert victim.read_bytes() == b"precious"


def test_an_exported_study_holds_no_stage_from_outside_its_root(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "done").write_text('{"bytes": {}}')
    folder = launch(
        small_study(), root, "local", quiet=True, runner=RUNNER, resolve=fake_base
    ).folder
    rows = read_trials(folder / "trials.parquet")
    use = {"fingerprint": "../../secret", "kind": "stage1", "cached": False}
    write_trials(folder / "trials.parquet", [{**rows[0], "stages": [use]}, *rows[1:]])
    with pytest.raises(StoreError, match="tampered"):
        export(folder, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("secret"))


# --- no code comes with weights


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def identified(folder: Path) -> Base:
    return resolve(str(folder))


def test_a_pickle_beside_safetensors_is_not_read(base: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    torch.save(Bomb(mark), base / "pytorch_model.bin")
    load_base(identified(base), "float32", CPU)
    assert not mark.exists()


def test_a_folder_of_pickles_is_no_base(base: Path) -> None:
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()
    with pytest.raises(UnknownModel, match="safetensors"):
        identified(base)


def test_weights_come_from_safetensors_or_not_at_all(base: Path, tmp_path: Path) -> None:
    """Even where a file of that kind makes the folder look like a base."""
    torch.save(load_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").rename(base / "other.safetensors")
    with pytest.raises(OSError, match="safetensors"):
        load_base(identified(base), "float32", CPU)


def test_an_adapter_is_no_pickle(tmp_path: Path, base: Path) -> None:
    model, _ = load_base(identified(base), "float32", CPU)
    mark = tmp_path / "ran"
    folder = tmp_path / "adapter"
    folder.mkdir()
    for name in ("adapter_model.bin", "pytorch_model.bin", "adapter_model.safetensors"):
        torch.save(Bomb(mark), folder / name)
    with Attached(model, "base", Lora(), seed=0) as attached, pytest.raises(Exception):  # noqa: B017
        attached.load(folder)
    assert not mark.exists()


def test_a_base_brings_no_code(base: Path, tmp_path: Path) -> None:
    """Its own classes are named in its files, and ours are taken."""
    mark = tmp_path / "ran"
    (base / "evil.py").write_text(
        f"open({str(mark)!r}, 'w')\n"
        "from transformers import LlamaConfig as Config, LlamaForCausalLM as Model\n"
        "from transformers import PreTrainedTokenizerFast as Tokenizer\n"
    )
    edit(
        base / "config.json",
        auto_map={"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"},
    )
    edit(base / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Tokenizer", None]})
    load_base(identified(base), "float32", CPU)
    assert not mark.exists()


def test_a_base_that_is_nothing_without_its_code_is_refused(base: Path, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (base / "evil.py").write_text(f"open({str(mark)!r}, 'w')\n")
    edit(base / "config.json", model_type="evil", auto_map={"AutoConfig": "evil.Config"})
    with pytest.raises(ValueError):
        load_base(identified(base), "float32", CPU)
    assert not mark.exists()


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call in the packages: where, and what."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.name}:{node.lineno}", node


def test_remote_code_is_never_trusted() -> None:
    """Said so wherever an Auto class loads, and said otherwise nowhere."""
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            if "trust_remote_code" in line:
                assert "trust_remote_code=False" in line or '"trust_remote_code": False' in line, (
                    f"{path}: {line}"
                )
    auto = [
        (place, call)
        for place, call in calls()
        if isinstance(call.func, ast.Attribute)
        and call.func.attr == "from_pretrained"
        and ast.unparse(call.func.value).startswith("Auto")
    ]
    assert len(auto) >= 4
    for place, call in auto:
        said = {word.arg for word in call.keywords}
        assert said & {"trust_remote_code", None}, f"{place} does not say trust_remote_code=False"


def test_nothing_here_reads_a_pickle() -> None:
    refused = {
        *("pickle.load", "pickle.loads", "cloudpickle.load", "cloudpickle.loads", "dill.load"),
        *("torch.load", "joblib.load", "marshal.load", "marshal.loads", "shelve.open"),
        *("yaml.unsafe_load", "yaml.full_load"),
        *("Tuner.restore", "tune.Tuner.restore", "OptunaSearch.restore"),
    }
    for place, call in calls():
        name = ast.unparse(call.func)
        assert name not in refused, f"{place} calls {name}"
        assert not [w for w in call.keywords if w.arg == "allow_pickle"], f"{place} allows pickles"
        if name in ("yaml.load", "yaml.load_all"):
            loaders = [ast.unparse(word.value) for word in call.keywords if word.arg == "Loader"]
            assert loaders == ["yaml.SafeLoader"], f"{place} loads YAML by {loaders}"


# --- YAML


@pytest.mark.parametrize("key", ["question", "primary", "claims", "tune"])
def test_a_study_folder_with_an_alias_bomb_is_refused(key: str, tmp_path: Path) -> None:
    """With a few lines more it would be gigabytes as text."""
    folder = write_study(item_rows(World(programs=3, items=2)), tmp_path)
    levels = "abcde"
    bomb = [
        "a: &a {x: lol, y: lol}",
        *(
            f"{b}: &{b} {{{', '.join(f'{key}{i}: *{a}' for i in range(9))}}}"
            for a, b in pairwise(levels)
        ),
    ]
    (folder / "study.yaml").write_text("\n".join([*bomb, f"{key}: *e"]))
    with pytest.raises(BadInput, match="alias"):
        write_report(folder)


# --- secrets


def told(path: Path) -> str:
    """All text of a file, packed or not."""
    raw = path.read_bytes().decode("utf-8", "replace")
    if path.suffix == ".parquet":
        metadata = json.dumps(pl.read_parquet_metadata(path))
        return metadata + json.dumps(pl.read_parquet(path).to_dicts(), default=str)
    if path.suffix == ".html":
        return raw + json.dumps(Page(raw).packs)
    return raw


def launched_with_a_secret(
    study: Study, root: Path, backend: BackendName, monkeypatch: pytest.MonkeyPatch, **how: Any
) -> list[Path]:
    """Files of a launch, its report and its export, in an environment that holds the canary."""
    for name in ("PBB_CANARY_TOKEN", "HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, CANARY)
    folder = launch(study, root, backend, quiet=True, **how).folder
    write_report(folder)
    export(folder, root / "exported")
    return [path for path in root.rglob("*") if path.is_file()]


def assert_untold(files: list[Path]) -> None:
    kinds = {path.name for path in files}
    assert {"manifest.json", "stage.json", "report.html", "trials.parquet", "study.yaml"} <= kinds
    assert not [path for path in files if CANARY in told(path)]


def test_a_secret_of_the_environment_is_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the real engine: weights, step records and rows."""
    study = smoke_study(load_study("quickstart"))
    files = launched_with_a_secret(study, tmp_path, "local", monkeypatch)
    assert_untold(files)
    shown = capfd.readouterr()
    assert CANARY not in shown.out + shown.err


def test_nor_where_stages_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE_DIVERGE", "stage2")
    how = {"runner": RUNNER, "resolve": fake_base}
    assert_untold(launched_with_a_secret(small_study(), tmp_path, "local", monkeypatch, **how))


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(300)
def test_nor_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ray_cluster: None) -> None:
    how = {"runner": RUNNER, "resolve": fake_base}
    assert_untold(launched_with_a_secret(small_study(), tmp_path, "ray", monkeypatch, **how))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_nor_on_an_object_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where the secrets are those of the store itself."""
    boto3 = pytest.importorskip("boto3")
    from study.remote import open_remote

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("PBB_CACHE", str(tmp_path / "cache"))
    url = "s3://results/runs"
    with s3_server() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server)
        boto3.client("s3").create_bucket(Bucket="results")
        launch(small_study(), url, "local", quiet=True, runner=RUNNER, resolve=fake_base)
        export(f"{url}/small", tmp_path / "exported")
        there = open_remote(url)
        names = list(there.list("small")) + list(there.list("small/.lock"))
        assert len(names) > 7
        for number, name in enumerate(there.list("")):
            there.fetch(name, tmp_path / f"object-{number}{Path(name).suffix}")
        there.fetch("small/.lock/1", tmp_path / "lock")
        with pytest.raises(ValueError, match="no such bucket") as refused:
            open_remote("s3://elsewhere").read("x")
    with pytest.raises(ValueError, match="reached") as down:
        open_remote(url).read("x")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [path for path in files if CANARY in told(path)]
    shown = capfd.readouterr()
    assert CANARY not in shown.out + shown.err + str(refused.value) + str(down.value)


def test_the_canary_would_be_seen(tmp_path: Path) -> None:
    """In a table and in a report as well, where it is packed."""
    rows = item_rows(World(programs=3, items=2), output=CANARY)
    folder = write_study(rows, tmp_path)
    seen = [write_report(folder).html, *sorted((folder / "items").iterdir())[:1]]
    assert all(CANARY in told(path) for path in seen)


# --- ports


@pytest.mark.ray
def test_ray_of_a_launch_listens_on_loopback_alone(ray_cluster: None) -> None:
    """Every port of every process of a cluster that was started with our environment."""
    psutil = pytest.importorskip("psutil")
    ours = psutil.Process().children(recursive=True)
    found = {
        connection.laddr.ip
        for process in ours
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert found
    addresses = [ip_address(each) for each in found]
    plain = [getattr(each, "ipv4_mapped", None) or each for each in addresses]
    assert all(each.is_loopback for each in plain), found


@pytest.mark.ray
def test_a_launch_starts_ray_without_a_dashboard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray  # noqa: TID251

    from study.backends import ray_session

    asked: dict[str, Any] = {}
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **words: asked.update(words))
    monkeypatch.setattr(ray, "cluster_resources", dict)
    monkeypatch.setattr(ray_session, "check_placeable", lambda *_: None)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    with ray_session.session(Resources(), tmp_path / "log"):
        assert asked["address"] == "local"
        host = asked.get("dashboard_host", "127.0.0.1")
        assert asked.get("include_dashboard") is False or host == "127.0.0.1"
        assert "_node_ip_address" not in asked


def test_the_environment_closes_ray_before_it_is_imported() -> None:
    code = (
        "import os\n"
        "from study.backends.ray_environment import prepare\n"
        "prepare()\n"
        "print(os.environ['RAY_AUTH_MODE'], os.environ['RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER'])"
    )
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "RAY_AUTH_TOKEN": "x"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**env, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.stdout.split() == ["token", "0"]
