"""A folder of functions -> the configuration that holds them, those that stay what they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pbb.domains.algorithms.cases import Prepared, prepare
from pbb.domains.algorithms.jobs import run_jobs
from pbb.domains.algorithms.reading import Found, Refusal, UnreadableFolder, read_folder
from pbb.domains.algorithms.sandbox import Job, TooSlow
from pbb.domains.algorithms.syntax import NotAProgram
from pbb.domains.algorithms.written import as_written, disagreement
from pbb.domains.configs import AlgorithmsConfig


def read_faithful(path: Path, inputs: int) -> Found:
    """As read_folder, where functions are refused too that answer otherwise than their file does.

    inputs: cases wanted of each, on which it is compared. Raises UnreadableFolder, SandboxError.
    """
    found = read_folder(path)
    usable = [each for each in prepare(found.functions, inputs) if each.cases]
    wrong = _unfaithful(usable, found)
    return replace(
        found,
        functions=tuple(each for each in found.functions if each.name not in wrong),
        refusals=(*found.refusals, *wrong.values()),
    )


def _unfaithful(usable: list[Prepared], found: Found) -> dict[str, Refusal]:
    """Name -> how its file differs."""
    wrong: dict[str, Refusal] = {}
    jobs: list[Job] = []
    compared: list[Prepared] = []
    for each in usable:
        try:
            whole = as_written(found.files[each.name], each.name)
        except NotAProgram as error:
            wrong[each.name] = Refusal(each.name, str(error))
            continue
        jobs.append(Job(whole, each.name, tuple(case.input for case in each.cases)))
        compared.append(each)
    for each, job, ran in zip(compared, jobs, run_jobs(jobs), strict=True):
        differs = disagreement(job.calls, [case.answer for case in each.cases], ran)
        if differs:
            wrong[each.name] = Refusal(each.name, differs.reason, differs.late)
    return wrong


def embed(config: AlgorithmsConfig, base: Path) -> AlgorithmsConfig:
    """The configuration with the text of its folder in it, so that it is complete by itself.

    base: the folder that `config.folder` is relative to. What is refused is left out, and named by
    `checking.check_folder`. Raises UnreadableFolder where nothing remains, TooSlow where a file is
    late: without its functions the same study would have other programs.
    """
    if config.folder is None:
        return config
    found = read_faithful(base / config.folder, config.inputs)
    late = [f"{each.where}: {each.reason}" for each in found.refusals if each.late]
    if late:
        raise TooSlow(f"files that ran out of time here: {'; '.join(late)}")
    if not found.functions:
        raise UnreadableFolder(
            f"folder {config.folder!r} holds no functions: give it .py or .jsonl files"
            + "".join(f"; {each.where}: {each.reason}" for each in found.refusals)
        )
    fields = {**dict(config), "folder": None, "functions": found.functions}
    return AlgorithmsConfig.model_validate(fields)
