"""The rules of the stage pool: what is run next, once, by whom. No Ray, no clock, no files.

1. A stage that the store has is not run again.
2. A stage that is in flight is joined, not repeated.
3. Ready stages that share a base and a step shape form a cohort, run side by side by one worker.
4. A stage whose worker was lost is put back, a bounded number of times, then recorded as failed;
   what builds on a failed stage fails with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from pbb.config import EvaluateStage, Recipe, RlRecipe
from pbb.records import StageOutcome, Status
from study.plan import Chain, PlannedStage, evaluations
from study.ready import CohortKey, Rank, ReadyStages

MAX_ATTEMPTS: Final = 3
"""So many workers may be lost on a stage before it counts as failed."""


class State(StrEnum):
    """Where a stage stands. `waiting` for its parent; `ready` for a worker."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


FINAL: Final = frozenset({State.DONE, State.FAILED})


@dataclass(frozen=True)
class StageEnd:
    """How a stage ended. cached: it was committed before it was asked for."""

    fingerprint: str
    status: Status
    reason: str | None
    cached: bool
    outcome: StageOutcome | None


@dataclass(frozen=True)
class Counts:
    """Stages by where they stand; `cached` had ended, well or ill, before they were asked for."""

    done: int
    cached: int
    running: int
    waiting: int
    failed: int


@dataclass
class _Node:
    planned: PlannedStage
    order: int
    depth: int
    state: State = State.WAITING
    waited_for: set[str] = field(default_factory=set)
    """The results of the chains that it is part of."""
    attempts: int = 0
    end: StageEnd | None = None
    children: list[_Node] = field(default_factory=list)

    @cached_property
    def key(self) -> CohortKey:
        """See `cohort_key`, which takes longer than all else about a take."""
        return cohort_key(self.planned)

    @property
    def rank(self) -> Rank:
        """What several chains wait for goes before all else, the most wanted first.

        Then, after those of a base that the worker has loaded, the chain nearest its end, so that
        trials finish evenly and early; then the order of the plan.
        """
        chains = len(self.waited_for)
        return (-chains if chains > 1 else 0, -self.depth, self.order)


def cohort_key(planned: PlannedStage) -> CohortKey:
    """Stages of equal keys may run side by side on one frozen base.

    The key holds the base, the kind and the step shape, and nothing of the corpus. A stage that
    trains all weights shares its base with none.
    """
    stage = planned.stage
    alike = (stage.base.sha256, stage.kind, stage.numerics.model_dump_json())
    if isinstance(stage, EvaluateStage):
        return (*alike, (stage.batch_size, stage.max_new_tokens))
    alone = planned.fingerprint if stage.lora.rank == 0 else None
    return (*alike, _step_shape(stage.recipe), alone)


def _step_shape(recipe: Recipe | RlRecipe) -> CohortKey:
    if isinstance(recipe, Recipe):
        return (recipe.steps, recipe.tokens_per_step)
    sampled = (recipe.prompts_per_step, recipe.group_size, recipe.max_new_tokens)
    return (recipe.steps, *sampled, recipe.updates_per_batch)


class StagePool:
    """The stages that are wanted, and how far each has got.

    committed: the outcome that the store has for a fingerprint, or null. It is asked when a stage
    is first wanted. workers: so many share what is ready: a cohort leaves the others theirs. ended:
    told the fingerprint of every stage that ends.
    """

    def __init__(
        self,
        committed: Callable[[str], StageOutcome | None],
        *,
        cohort_size: int = 1,
        workers: int = 1,
        ended: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._committed = committed
        self._cohort_size, self._workers = cohort_size, workers
        self._nodes: dict[str, _Node] = {}
        self._ready = ReadyStages()
        self._in_hand: dict[str, list[_Node]] = {}
        self._base_of: dict[str, str] = {}
        """The base that each worker last worked on, which it has loaded."""
        self._ended = ended
        self._in_state: Counter[State] = Counter()
        self._cached: Counter[State] = Counter()
        """Of these, the stages that had ended before they were asked for."""

    def request(self, chain: Chain) -> None:
        """Want a chain's evaluations, and what each builds on unless that is committed."""
        stages = {stage.fingerprint: stage for stage in chain}
        for evaluation in evaluations(chain):
            self._want(evaluation, stages)
        for planned in chain:
            node = self._nodes.get(planned.fingerprint)
            if node is not None:
                node.waited_for.add(chain[-1].fingerprint)
                if node.state is State.READY:
                    self._queue(node)

    def is_wanted(self, chain: Chain) -> bool:
        """True when the chain was requested, or others that hold its evaluations were."""
        return all(each.fingerprint in self._nodes for each in evaluations(chain))

    def has_ended(self, chain: Chain) -> bool:
        """True when all evaluations of a chain that is wanted have ended, well or ill."""
        return all(self.end(each.fingerprint) is not None for each in evaluations(chain))

    def take(self, worker: str) -> tuple[PlannedStage, ...]:
        """The next cohort for the worker; empty where nothing is ready.

        A worker that asks while it has a cohort in hand has lost it. A stage that was lost goes by
        itself from then on, so that one that breaks its worker takes no others with it for good.
        """
        self.worker_lost(worker, "the worker started afresh")
        share = -(-self._in_state[State.READY] // self._workers)
        names = self._ready.take(self._base_of.get(worker), min(self._cohort_size, share))
        cohort = [self._nodes[name] for name in names]
        for node in cohort:
            self._move(node, State.RUNNING)
        if cohort:
            self._in_hand[worker] = cohort
            self._base_of[worker] = cohort[0].planned.stage.base.sha256
        return tuple(node.planned for node in cohort)

    def complete(self, worker: str, fingerprint: str, outcome: StageOutcome) -> None:
        """The worker has run the stage. Any status but ok fails what builds on it."""
        node = self._nodes[fingerprint]
        held = self._in_hand.get(worker, [])
        self._in_hand[worker] = [other for other in held if other is not node]
        if node.state in FINAL:
            return
        end = StageEnd(fingerprint, outcome.status, outcome.reason, False, outcome)
        self._finish(node, end)

    def worker_lost(self, worker: str, reason: str) -> None:
        """Put back what the worker had in hand, or fail what was lost too often."""
        for node in self._in_hand.pop(worker, []):
            if node.state is not State.RUNNING:
                continue
            node.attempts += 1
            if node.attempts < MAX_ATTEMPTS:
                self._make_ready(node)
            else:
                self._fail(node, f"{node.attempts} attempts lost their worker; the last: {reason}")

    def abandon(self, reason: str) -> None:
        """Fail every stage that has not ended: nobody is left to run it."""
        for node in self._nodes.values():
            if node.state not in FINAL:
                self._fail(node, reason)
        self._in_hand.clear()

    def end(self, fingerprint: str) -> StageEnd | None:
        """How a stage ended; null while it has not, or where nobody wanted it."""
        node = self._nodes.get(fingerprint)
        return node.end if node else None

    def ends(self, chain: Iterable[PlannedStage]) -> tuple[StageEnd, ...]:
        """How the stages of a chain ended, without those that were not wanted or go on."""
        found = (self.end(planned.fingerprint) for planned in chain)
        return tuple(end for end in found if end is not None)

    def is_idle(self) -> bool:
        """True when every stage wanted so far has ended."""
        return sum(self._in_state[state] for state in FINAL) == len(self._nodes)

    def counts(self) -> Counts:
        """Where the stages stand; their sum is the number of stages wanted so far."""
        of, cached = self._in_state, self._cached
        return Counts(
            done=of[State.DONE] - cached[State.DONE],
            cached=cached.total(),
            running=of[State.RUNNING],
            waiting=of[State.WAITING] + of[State.READY],
            failed=of[State.FAILED] - cached[State.FAILED],
        )

    def _want(self, step: PlannedStage | None, stages: Mapping[str, PlannedStage]) -> None:
        """The stage, and what it builds on as far as nobody has wanted it and it is missing."""
        wanted: list[tuple[PlannedStage, StageOutcome | None]] = []
        while step is not None and step.fingerprint not in self._nodes:
            outcome = self._committed(step.fingerprint)
            wanted.append((step, outcome))
            if outcome is not None or step.parent is None:
                break
            step = stages[step.parent]
        for planned, outcome in reversed(wanted):
            self._add(planned, outcome)

    def _add(self, planned: PlannedStage, outcome: StageOutcome | None) -> None:
        """A new stage; its parent is known already unless the stage itself is committed."""
        parent = self._nodes.get(planned.parent) if planned.parent else None
        fingerprint = planned.fingerprint
        node = _Node(planned, len(self._nodes), parent.depth + 1 if parent else 0)
        self._nodes[fingerprint] = node
        self._in_state[node.state] += 1
        if outcome is not None:
            end = StageEnd(fingerprint, outcome.status, outcome.reason, True, outcome)
            self._finish(node, end)
            return
        if parent is None or parent.state is State.DONE:
            self._make_ready(node)
            return
        if parent.state is State.FAILED and parent.end is not None:
            self._finish(node, _inherited(node, parent.end))
            return
        parent.children.append(node)

    def _make_ready(self, node: _Node) -> None:
        self._move(node, State.READY)
        self._queue(node)

    def _queue(self, node: _Node) -> None:
        """Put it where its rank is now. A stage that was lost goes by itself."""
        key = None if node.attempts else node.key
        base = node.planned.stage.base.sha256
        self._ready.put(node.planned.fingerprint, node.rank, base, key)

    def _move(self, node: _Node, state: State) -> None:
        self._in_state[node.state] -= 1
        self._in_state[state] += 1
        node.state = state

    def _finish(self, node: _Node, end: StageEnd) -> None:
        self._ready.remove(end.fingerprint)
        node.end = end
        self._move(node, State.DONE if end.status is Status.OK else State.FAILED)
        self._cached[node.state] += end.cached
        self._ended(end.fingerprint)
        for child in node.children:
            if child.state in FINAL:
                continue
            if node.state is State.DONE:
                self._make_ready(child)
            else:
                self._finish(child, _inherited(child, end))

    def _fail(self, node: _Node, reason: str) -> None:
        fingerprint = node.planned.fingerprint
        self._finish(node, StageEnd(fingerprint, Status.FAILED, reason, False, None))


def _inherited(node: _Node, end: StageEnd) -> StageEnd:
    """A descendant's end: the failed stage's status and reason, and where they came from."""
    origin = "" if end.reason and end.reason.startswith("stage ") else f"stage {end.fingerprint}: "
    reason = f"{origin}{end.reason or end.status.value}"
    return StageEnd(node.planned.fingerprint, end.status, reason, False, None)
