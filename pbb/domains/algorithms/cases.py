"""Functions -> cases: inputs drawn, run in the sandbox, and chosen so that no guess pays.

The same for every process and every data_seed: inputs are drawn from a seed of the generator's own
text, and functions with one generator see the same inputs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, TypeVar

from pbb.domains.algorithms import refusals
from pbb.domains.algorithms.answers import arguments
from pbb.domains.algorithms.refusals import MAX_SHARE
from pbb.domains.algorithms.sandbox import (
    Job,
    Limits,
    Ran,
    SandboxError,
    TooSlow,
    generate_inputs,
    run_functions,
)
from pbb.domains.algorithms.source import PLACEHOLDER, NotAProgram, standalone
from pbb.domains.configs import MIN_INPUTS_PER_PATH, FunctionSource
from pbb.domains.domain import Case, squeezed
from pbb.seeds import stream

LIMITS: Final = Limits(seconds_per_call=0.5, seconds=2.0)
CALLS_PER_SECOND: Final = 100
"""All calls of a function may take longer than LIMITS say where there are many."""
MEANING_CALLS: Final = 12
"""A meaning is the tuple of answers to so many inputs, the first, whatever a study asks for."""
DIVERSE: Final = 0.8
"""Different answers to a case, from which on items may be spread over execution paths."""
PROBES: Final = 3
MOST_PROBES: Final = 36
"""Functions are told apart on so many inputs of each, and so many in all, or on all they have."""
_NAMES: Final = re.compile(r"""('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?:^|(?<= ))[A-Za-z_]\w*=""")
T = TypeVar("T")
R = TypeVar("R")


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
    """A function that may be used so far, and the argument lists to try."""

    name: str
    code: str
    calls: tuple[str, ...]


@lru_cache(maxsize=16)
def prepare(functions: tuple[FunctionSource, ...], inputs: int) -> tuple[Prepared, ...]:
    """One for each function, in order. inputs: cases that a usable one has. Raises SandboxError
    where the sandbox itself fails; a function never makes it.
    """
    found = in_parallel(lambda each: _candidate(each, inputs), functions)
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


def in_parallel(function: Callable[[T], R], given: Iterable[T]) -> list[R]:
    """In order; each waits for a process of its own, so threads suffice."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(function, given))


def run_jobs(jobs: Sequence[Job], hash_seed: int = 0) -> list[tuple[Ran, ...]]:
    """As `run_functions`, shared out among the processors."""
    share = -(-len(jobs) // (os.cpu_count() or 1)) or 1
    parts = [jobs[i : i + share] for i in range(0, len(jobs), share)]
    longest = max((len(each.calls) for each in jobs), default=0)
    limits = replace(LIMITS, seconds=max(LIMITS.seconds, longest / CALLS_PER_SECOND))
    done = in_parallel(lambda part: run_functions(part, limits, hash_seed=hash_seed), parts)
    return [ran for part in done for ran in part]


def job(code: str, calls: Iterable[str]) -> Job:
    """Calls of a standalone function."""
    return Job(code, PLACEHOLDER, tuple(calls))


def _candidate(function: FunctionSource, inputs: int) -> _Candidate | Prepared:
    try:
        code = standalone(function.source, function.name, function.statement)
        calls = _calls(function, inputs)
    except (NotAProgram, SandboxError) as error:
        return Prepared(function.name, reason=str(error), late=isinstance(error, TooSlow))
    if len(calls) < inputs:
        return Prepared(
            function.name, code, reason=f"{len(calls)} distinct inputs; {inputs} are wanted"
        )
    return _Candidate(function.name, code, calls)


def _calls(function: FunctionSource, inputs: int) -> tuple[str, ...]:
    """Distinct argument lists, more than are wanted where there is a generator.

    Raises NotAProgram, SandboxError.
    """
    if function.generator:
        source = standalone(function.generator, "inputs").replace(PLACEHOLDER, "inputs")
        key = hashlib.sha256(source.encode()).hexdigest()
        seed = int(stream("inputs", key).integers(2**32))
        return generate_inputs(source, max(MEANING_CALLS, 2 * inputs + 8), seed, LIMITS)
    given = [arguments(each) for each in function.examples]
    if None in given:
        wrong = function.examples[given.index(None)]
        raise NotAProgram(f"example {wrong[:60]!r} is no list of Python literals")
    if not given:
        raise NotAProgram(
            f"no inputs; write inputs_{function.name}(rng), EXAMPLES, or >>> lines in its docstring"
        )
    return tuple(dict.fromkeys(", ".join(each) for each in given if each is not None))


def _run_all(candidates: Sequence[_Candidate], inputs: int) -> list[Prepared]:
    """Those that work run again in part, in the opposite order and under another hash seed.

    One that is late once cannot be used at all: cases that a faster machine has would be missing.
    """
    ran = run_jobs([job(each.code, each.calls) for each in candidates])
    made = [_prepared(*each, inputs) for each in zip(candidates, ran, strict=True)]
    works = [i for i, each in enumerate(made) if each.reason is None]
    again = run_jobs(
        [job(made[i].code, candidates[i].calls[:MEANING_CALLS][::-1]) for i in works], hash_seed=1
    )
    for i, back in zip(works, again, strict=True):
        if late := refusals.lateness(back):
            made[i] = replace(made[i], cases=(), reason=late, late=True)
        elif any(one != other for one, other in zip(ran[i], reversed(back), strict=False)):
            reason = "not deterministic: two processes give different answers or traces"
            made[i] = replace(made[i], cases=(), reason=reason)
    return made


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
