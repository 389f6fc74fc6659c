"""The pool's rules hold for every order of events (stateful property tests), and by example."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pbb.config import EvaluateStage
from pbb.records import StageOutcome, Status
from study import pool as pool_module
from study.plan import PlannedStage, evaluations, make_plan
from study.pool import MAX_ATTEMPTS, StagePool, cohort_key
from tests.study.studies import branching, fake_base, small_study, twenty_arms

OK = StageOutcome(status=Status.OK, wall_s=1.0, load_s=0.0)
DIVERGED = StageOutcome(status=Status.DIVERGED, reason="NaN", wall_s=1.0, load_s=0.0)
CHAINS = [
    trial.chain
    for study in (small_study(), small_study("more", data_seed=2), branching(small_study()))
    for trial in make_plan(study, fake_base).trials
]
STAGES = {stage.fingerprint: stage for chain in CHAINS for stage in chain}
WORKERS = ("a", "b", "c")


class PoolMachine(RuleBasedStateMachine):
    """Trials ask, workers take, finish, diverge and die, in any order."""

    @initialize(committed=st.sets(st.sampled_from(sorted(STAGES))), cohort_size=st.integers(1, 3))
    def start(self, committed: set[str], cohort_size: int) -> None:
        self.committed = dict.fromkeys(committed, OK)
        self.pool = StagePool(self.committed.get, cohort_size=cohort_size)
        self.initially = set(committed)
        self.in_hand: dict[str, list[PlannedStage]] = {worker: [] for worker in WORKERS}
        self.losses: Counter[str] = Counter()
        self.wanted: set[str] = set()

    @rule(which=st.integers(0, len(CHAINS) - 1))
    def request(self, which: int) -> None:
        self.pool.request(CHAINS[which])
        self.wanted |= {each.fingerprint for each in evaluations(CHAINS[which])}

    @rule(worker=st.sampled_from(WORKERS))
    def take(self, worker: str) -> None:
        self.losses.update(stage.fingerprint for stage in self.in_hand[worker])
        self.in_hand[worker] = []
        cohort = self.pool.take(worker)
        running = {s.fingerprint for stages in self.in_hand.values() for s in stages}
        for stage in cohort:
            assert stage.fingerprint not in self.committed, "committed stages never run"
            assert stage.fingerprint not in running, "no stage runs twice at a time"
            assert self.losses[stage.fingerprint] < MAX_ATTEMPTS
            assert stage.parent is None or stage.parent in self.committed, "parents first"
        assert len({cohort_key(stage) for stage in cohort}) <= 1
        self.in_hand[worker] = list(cohort)

    @precondition(lambda self: any(self.in_hand.values()))
    @rule(data=st.data(), outcome=st.sampled_from([OK, OK, OK, DIVERGED]))
    def complete(self, data: st.DataObject, outcome: StageOutcome) -> None:
        busy = sorted(worker for worker, stages in self.in_hand.items() if stages)
        worker = data.draw(st.sampled_from(busy))
        stage = self.in_hand[worker].pop(0)
        if outcome.status is Status.OK:
            self.committed[stage.fingerprint] = outcome
        self.pool.complete(worker, stage.fingerprint, outcome)
        end = self.pool.end(stage.fingerprint)
        assert end is not None and end.status is outcome.status

    @rule(worker=st.sampled_from(WORKERS))
    def die(self, worker: str) -> None:
        self.losses.update(stage.fingerprint for stage in self.in_hand[worker])
        self.in_hand[worker] = []
        self.pool.worker_lost(worker, "killed")

    @invariant()
    def counts_add_up(self) -> None:
        counts = self.pool.counts()
        assert counts.running == sum(len(stages) for stages in self.in_hand.values())
        assert (counts.running + counts.waiting == 0) == self.pool.is_idle()

    def teardown(self) -> None:
        """Left to run, everything that was wanted ends, and well or with a reason."""
        if not hasattr(self, "pool"):
            return
        for _ in range(len(STAGES) * (MAX_ATTEMPTS + 1)):
            for worker in WORKERS:
                self.in_hand[worker] = []
                for stage in self.pool.take(worker):
                    self.committed[stage.fingerprint] = OK
                    self.pool.complete(worker, stage.fingerprint, OK)
        assert self.pool.is_idle()
        for name in self.wanted:
            end = self.pool.end(name)
            assert end is not None
            assert (end.status is Status.OK) == (end.reason is None)
            assert end.cached == (name in self.initially)


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPoolMachine = PoolMachine.TestCase


def drained(pool: StagePool, worker: str = "a") -> list[PlannedStage]:
    """The stages in the order in which one worker runs them."""
    ran: list[PlannedStage] = []
    while cohort := pool.take(worker):
        ran += cohort
        for stage in cohort:
            pool.complete(worker, stage.fingerprint, OK)
    return ran


def pool_of(study_chains: list[tuple[PlannedStage, ...]], **options: int) -> StagePool:
    pool = StagePool(lambda _: None, **options)
    for chain in study_chains:
        pool.request(chain)
    return pool


def chains(name: str) -> list[tuple[PlannedStage, ...]]:
    study = twenty_arms() if "twenty" in name else small_study()
    study = branching(study) if "branching" in name else study
    return [trial.chain for trial in make_plan(study, fake_base).trials]


def test_twenty_arms_run_their_stage_1_once_and_first() -> None:
    ran = drained(pool_of(chains("twenty")))
    roles = [getattr(stage.stage, "role", "evaluate") for stage in ran]
    assert roles.count("stage1") == 1
    assert roles[0] == "stage1"
    assert len(ran) == len({stage.fingerprint for stage in ran})


def test_a_chain_in_hand_is_finished_before_another_is_begun() -> None:
    ran = [getattr(stage.stage, "role", "evaluate") for stage in drained(pool_of(chains("small")))]
    assert ran[:2] == ["stage1", "stage1"]
    assert ran[2:6] == ["stage2", "evaluate"] * 2


def test_what_arms_share_is_evaluated_once_and_before_they_part() -> None:
    wanted = chains("branching twenty")
    ran = drained(pool_of(wanted))
    assert Counter(stage.fingerprint for stage in ran) == Counter(
        {stage.fingerprint for chain in wanted for stage in chain}
    )
    first_own = next(i for i, s in enumerate(ran) if getattr(s.stage, "role", "") == "stage2")
    shared = [each.stage for each in ran[:first_own] if isinstance(each.stage, EvaluateStage)]
    splits = [(each.stage, {q.split for q in each.questions}) for each in shared]
    assert sorted(splits, key=str) == [
        (0, {"acquisition"}),
        (1, {"acquisition"}),
        (1, {"target"}),
    ], "forgetting, before and after the one stage 1; and where all curves begin"


def test_a_branching_chain_in_hand_is_finished_before_another_is_begun() -> None:
    ran = drained(pool_of(chains("branching small")))
    of_stage2 = [i for i, each in enumerate(ran) if getattr(each.stage, "role", "") == "stage2"]
    assert len(of_stage2) == 6
    for place in of_stage2:
        after = ran[place + 1 : place + 4]
        assert {each.parent for each in after} == {ran[place].fingerprint}


def test_a_chain_has_ended_when_all_its_evaluations_have() -> None:
    chain = chains("branching small")[0]
    pool = pool_of([chain])
    for count in range(len(chain)):
        assert not pool.has_ended(chain), count
        (stage,) = pool.take("a")
        pool.complete("a", stage.fingerprint, OK)
    assert pool.has_ended(chain) and not pool.take("a")
    assert [end.fingerprint for end in pool.ends(chain)] == [each.fingerprint for each in chain]


def test_a_result_that_is_there_does_not_hide_what_is_missing_beside_it() -> None:
    chain = chains("branching small")[0]
    pool = StagePool({chain[-1].fingerprint: OK}.get)
    pool.request(chain)
    ran = drained(pool)
    assert {each.fingerprint for each in ran} == {each.fingerprint for each in chain[:-1]}


def test_work_grows_with_the_stages_and_no_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of a stage to place it is asked a fixed number of times."""
    asked: Counter[str] = Counter()

    def counted(planned: PlannedStage) -> object:
        asked[planned.fingerprint] += 1
        return cohort_key(planned)

    ranked = pool_module._Node.rank.fget
    ranks: Counter[str] = Counter()

    def rank(node: pool_module._Node) -> object:
        ranks[node.planned.fingerprint] += 1
        return ranked(node)

    monkeypatch.setattr(pool_module, "cohort_key", counted)
    monkeypatch.setattr(pool_module._Node, "rank", property(rank))
    ran = drained(pool_of(chains("branching twenty"), cohort_size=3))
    assert len(asked) == len(ran) > 80 and set(asked.values()) == {1}
    assert max(ranks.values()) <= 21, "once when ready, and once for every trial that then asks"


def test_cohorts_share_base_and_step_shape() -> None:
    pool = pool_of(chains("small"), cohort_size=8)
    first = pool.take("a")
    assert [stage.stage.kind for stage in first] == ["train", "train"]
    assert len({cohort_key(stage) for stage in first}) == 1


def test_a_cohort_leaves_other_workers_their_share() -> None:
    assert len(pool_of(chains("small"), cohort_size=8, workers=1).take("a")) > 1
    shared = pool_of(chains("small"), cohort_size=8, workers=100)
    assert len(shared.take("a")) == len(shared.take("b")) == 1


def test_one_that_breaks_its_worker_fails_alone() -> None:
    pool = pool_of(chains("small"), cohort_size=8)
    pool.take("a")
    pool.worker_lost("a", "broken")
    bad = min(
        stage.fingerprint
        for chain in chains("small")
        for stage in chain[:1]
        if stage.stage.kind == "train"
    )
    while cohort := pool.take("a"):
        if bad in {stage.fingerprint for stage in cohort}:
            assert len(cohort) == 1
            pool.worker_lost("a", "broken")
        else:
            for stage in cohort:
                pool.complete("a", stage.fingerprint, OK)
    failed = [chain for chain in chains("small") if pool.ends(chain)[-1].status is Status.FAILED]
    assert failed and all(chain[0].fingerprint == bad for chain in failed)
    assert pool.counts().done > 0


def test_lost_too_often_fails_the_stage_and_what_builds_on_it() -> None:
    chain = chains("small")[0]
    pool = pool_of([chain])
    for _ in range(MAX_ATTEMPTS):
        assert pool.take("a")
        pool.worker_lost("a", "out of host memory")
    assert not pool.take("a")
    for stage in chain:
        end = pool.end(stage.fingerprint)
        assert end is not None and end.status is Status.FAILED
        assert end.reason is not None and "out of host memory" in end.reason


def test_a_failed_stage_fails_what_is_asked_for_later() -> None:
    one, two = (chain for chain in chains("small")[:2])
    assert one[0] == two[0]
    pool = pool_of([one])
    pool.take("a")
    pool.complete("a", one[0].fingerprint, DIVERGED)
    pool.request(two)
    end = pool.end(two[-1].fingerprint)
    assert end is not None and end.status is Status.DIVERGED and pool.is_idle()
