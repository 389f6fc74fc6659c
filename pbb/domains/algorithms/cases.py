"""Functions -> cases: run on their inputs in the sandbox, and chosen so that no guess pays."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from pbb.domains.algorithms import refusals
from pbb.domains.algorithms.answers import arguments
from pbb.domains.algorithms.inputs import LEAST_DRAWN, Calls, calls_of
from pbb.domains.algorithms.jobs import LIMITS as LIMITS
from pbb.domains.algorithms.jobs import job, run_jobs
from pbb.domains.algorithms.refusals import MAX_SHARE
from pbb.domains.algorithms.sandbox import Job, Ran, TooSlow
from pbb.domains.algorithms.source import standalone
from pbb.domains.algorithms.syntax import NotAProgram
from pbb.domains.algorithms.written import Disagreement, as_written, disagreement
from pbb.domains.configs import MIN_INPUTS_PER_PATH, FunctionSource
from pbb.domains.domain import Case, squeezed

MEANING_CALLS: Final = LEAST_DRAWN
"""A meaning is the tuple of answers to so many inputs, the first, whatever a study asks for."""
DIVERSE: Final = 0.8
"""Different answers to a case, from which on items may be spread over execution paths."""
PROBES: Final = 3
MOST_PROBES: Final = 36
"""Functions are told apart on so many inputs of each, and so many in all, or on all they have."""
_NAMES: Final = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?:^|(?<= ))[A-Za-z_]\w*=""")


@dataclass(frozen=True)
class Prepared:
    """A function and what came of it.

    code: see source.standalone; empty where there is none. cases: as many as asked for, or none.
    meaning: hash of its behaviour. reason: why it cannot be used; null where it can. late: whether
    that is for want of seconds, which another machine might have.
    """

    name: str
    code: str = ""
    cases: tuple[Case, ...] = ()
    meaning: str = ""
    reason: str | None = None
    late: bool = False


@dataclass(frozen=True)
class _Candidate:
    """A function that may be used so far, the argument lists to try, and its source for them."""

    name: str
    code: str
    calls: tuple[str, ...]
    source: str


@lru_cache(maxsize=16)
def prepare(functions: tuple[FunctionSource, ...], inputs: int) -> tuple[Prepared, ...]:
    """One for each function, in order. inputs: cases that a usable one has. Raises SandboxError
    where the sandbox itself fails; a function never makes it.
    """
    calls = calls_of(functions, inputs)
    found = [_candidate(*each, inputs) for each in zip(functions, calls, strict=True)]
    candidates = [each for each in found if isinstance(each, _Candidate)]
    runs = iter(_run_all(candidates, inputs))
    made = [next(runs) if isinstance(each, _Candidate) else each for each in found]
    return tuple(without_duplicates((), _without_users(made)))


def _without_users(made: Sequence[Prepared]) -> list[Prepared]:
    """Each is refused that holds another one that can be used."""
    programs = {each.name for each in made if each.reason is None}
    checked = []
    for each in made:
        used = refusals.use(each.code, each.name, programs - {each.name}) if each.cases else None
        checked.append(replace(each, cases=(), reason=used) if used else each)
    return checked


def _candidate(function: FunctionSource, calls: Calls, inputs: int) -> _Candidate | Prepared:
    name = function.name
    try:
        code = standalone(function.source, name, function.statement)
        source = as_written(function.source, name)
    except NotAProgram as error:
        return Prepared(name, reason=str(error))
    if not isinstance(calls, tuple):
        return Prepared(name, reason=str(calls), late=isinstance(calls, TooSlow))
    if len(calls) < inputs:
        return Prepared(name, code, reason=f"{len(calls)} distinct inputs; {inputs} are wanted")
    return _Candidate(name, code, calls, source)


def _run_all(candidates: Sequence[_Candidate], inputs: int) -> list[Prepared]:
    """Those that work run again: in the opposite order and under another hash seed, and as their
    sources have them, before they are made to stand alone.

    One that is late once cannot be used at all: cases that a faster machine has would be missing.
    """
    ran = run_jobs([job(each.code, each.calls) for each in candidates])
    made = [_prepared(*each, inputs) for each in zip(candidates, ran, strict=True)]
    works = [i for i, each in enumerate(made) if each.reason is None]
    again = run_jobs([job(made[i].code, candidates[i].calls[::-1]) for i in works], hash_seed=1)
    whole = run_jobs([Job(candidates[i].source, made[i].name, candidates[i].calls) for i in works])
    for i, back, written in zip(works, again, whole, strict=True):
        wrong = _unsteady(candidates[i].calls, ran[i], back[::-1], written)
        if wrong:
            made[i] = replace(made[i], cases=(), reason=wrong.reason, late=wrong.late)
    return made


def _unsteady(
    calls: Sequence[str], ran: Sequence[Ran], again: Sequence[Ran], written: Sequence[Ran]
) -> Disagreement | None:
    """How runs of one function differ: from one another, or from its file's."""
    if late := refusals.lateness(again):
        return Disagreement(late, late=True)
    if by_chance := refusals.chance(calls, ran, again):
        return Disagreement(by_chance)
    return disagreement(calls, [each.answer for each in ran], written)


def _prepared(candidate: _Candidate, ran: Sequence[Ran], inputs: int) -> Prepared:
    answers = [each.answer for each in ran[:MEANING_CALLS]]
    meaning = hashlib.sha256(json.dumps(answers).encode()).hexdigest()[:16]
    cases = [
        _case(call, each)
        for call, each in zip(candidate.calls, ran, strict=True)
        if each.error is None
    ]
    chosen = choose(cases, inputs)
    if late := refusals.lateness(ran):
        return Prepared(candidate.name, candidate.code, reason=late, late=True)
    if len(cases) < inputs:
        reason: str | None = refusals.failure(ran, inputs)
    elif len(chosen) < inputs:
        reason = refusals.guess(cases, inputs)
    else:
        reason = refusals.cue(candidate.code, chosen)
    fair = with_few_paths(chosen) if reason is None else ()
    return Prepared(candidate.name, candidate.code, fair, meaning, reason)


def _case(call: str, ran: Ran) -> Case:
    assert ran.answer is not None
    return Case(call, ran.answer, values_only(ran), ran.path, arguments(call) or ())


def values_only(ran: Ran) -> str:
    """A trace without the names of variables; of a function that sets none, what it returns."""
    return _NAMES.sub(lambda found: found.group(1) or "", ran.trace) or f"{ran.answer}"


def choose(cases: Sequence[Case], count: int) -> tuple[Case, ...]:
    """So many cases, their answers as different as can be; fewer where a guess would pay.

    In rounds: in the first each answer may come once, in the second twice, and so on. White space
    does not tell answers apart, since it is not judged.
    """
    chosen: dict[int, Case] = {}
    answers = [squeezed(case.answer) for case in cases]
    copies = [case.copied for case in cases]
    for most in range(1, max(1, int(MAX_SHARE * count)) + 1):
        given = Counter(answers[i] for i in chosen)
        copied = sum(copies[i] for i in chosen)
        for i, case in enumerate(cases):
            if len(chosen) == count:
                break
            if i in chosen or given[answers[i]] >= most or (copies[i] and copied >= most):
                continue
            chosen[i] = case
            given[answers[i]] += 1
            copied += copies[i]
    return tuple(chosen[i] for i in sorted(chosen))


def with_few_paths(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases with a path that items can be spread over; the others take the commonest path.

    A path must have cases enough, and answers so different that no guess pays on it; where the
    program gives few answers in all, all its cases are of one path.
    """
    by_path: dict[str, list[str]] = {}
    for case in cases:
        by_path.setdefault(case.path, []).append(squeezed(case.answer))
    commonest = max(by_path, key=lambda path: len(by_path[path]))
    kept = [path for path, answers in by_path.items() if len(answers) >= MIN_INPUTS_PER_PATH]
    diverse = [path for path in kept if len(set(by_path[path])) >= DIVERSE * len(by_path[path])]
    if len({squeezed(case.answer) for case in cases}) < DIVERSE * len(cases):
        diverse = []
    labels = {path: str(i) for i, path in enumerate(dict.fromkeys([commonest, *diverse]))}
    return tuple(replace(case, path=labels.get(case.path, "0")) for case in cases)


def without_duplicates(known: Sequence[Prepared], made: Sequence[Prepared]) -> list[Prepared]:
    """`made`, of which each is refused that agrees with an earlier one, or a known one, on all that
    either was tried on.
    """
    every = [*known, *made]
    groups: dict[int, list[int]] = {}
    for i, each in enumerate(every):
        if each.reason is None:
            groups.setdefault(len(each.cases[0].copies), []).append(i)
    for group in groups.values():
        for one, other in _alike([every[i] for i in group]):
            reason = f"does the same as {every[group[one]].name} on every input tried"
            every[group[other]] = replace(every[group[other]], cases=(), reason=reason)
    return every[len(known) :]


def _alike(group: Sequence[Prepared]) -> list[tuple[int, int]]:
    """Pairs, the earlier first, that cannot be told apart. First all on a few inputs of each."""
    probes = [case.input for each in group for case in each.cases[:PROBES]]
    step = -(-len(probes) // MOST_PROBES) or 1
    ran = run_jobs([job(each.code, probes[::step]) for each in group])
    first: dict[tuple[str | None, ...], int] = {}
    pairs = []
    for i, each in enumerate(ran):
        earlier = first.setdefault(tuple(one.answer for one in each), i)
        if earlier != i and _agree(group[earlier], group[i]):
            pairs.append((earlier, i))
    return pairs


def _agree(one: Prepared, other: Prepared) -> bool:
    calls = [case.input for case in (*one.cases, *other.cases)]
    first, second = run_jobs([job(one.code, calls), job(other.code, calls)])
    return [each.answer for each in first] == [each.answer for each in second]
