"""The loop of a stage that reinforces: ask, judge, learn; RlStepRecords out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from pbb.config import RlStage
from pbb.corpus import Corpus
from pbb.documents import Document
from pbb.evaluation.decoding import Continue, continued
from pbb.models.adapters import Attached
from pbb.models.encoding import Encoder
from pbb.records import RlStepRecord, TrainSummary
from pbb.training.grpo import Policy, Update
from pbb.training.policy_loss import advantages, is_flat
from pbb.training.resume import State
from pbb.training.rewards import Judged, judged
from pbb.training.rollouts import Answer, step_answers, step_prompts


class NothingToLearn(RuntimeError):
    """In no group of a whole stage did two answers earn differently."""


class Reinforcement:
    """A stage under way, of a model with its parent's weights; `take` puts it where one stood.

    records: of all steps so far. checkpoints: step -> the weights after it, of those that the
    stage keeps.
    """

    def __init__(
        self,
        stage: RlStage,
        corpus: Corpus,
        attached: Attached,
        encoder: Encoder,
        device: torch.device,
        by: Continue = continued,
    ) -> None:
        """by: the decoder of its answers."""
        self._stage, self._corpus, self._attached = stage, corpus, attached
        self._encoder, self._device, self._by = encoder, device, by
        self._programs = {p.name: p for p in corpus.split(stage.source.split)}
        self._policy = Policy(
            attached.model, stage.recipe, stage.numerics, pad_id=encoder.pad_id, device=device
        )
        self.records: list[RlStepRecord] = []
        self.checkpoints: dict[int, dict[str, Tensor]] = {}

    def steps(self) -> Iterator[RlStepRecord]:
        """Take the steps that are left. Raises Diverged, with the last good weights in place."""
        for step, documents in enumerate(step_prompts(self._stage, self._corpus), start=1):
            if step <= len(self.records):
                continue
            record = self._step(step, documents)
            self.records.append(record)
            if step in self._stage.checkpoints:
                self.checkpoints[step] = self._attached.tensors()
            yield record

    def _step(self, step: int, documents: Sequence[Document]) -> RlStepRecord:
        model, stage = self._attached.model, self._stage
        answers = step_answers(model, self._encoder, documents, stage, step, self._device, self._by)
        found = [self._judge(answer) for answer in answers]
        rewards = np.array([each.reward for each in found]).reshape(len(documents), -1)
        update = self._policy.update(
            step,
            [answer.encoded for answer in answers],
            advantages(rewards, stage.recipe.normalise).ravel().tolist(),
        )
        return _record(step, answers, found, is_flat(rewards).mean(), update)

    def _judge(self, answer: Answer) -> Judged:
        document = answer.encoded.document
        assert document.input is not None and document.response_format is not None
        return judged(
            self._corpus.domain,
            self._programs[document.program],
            document.input,
            answer.text,
            document.response_format,
            ended=answer.ended,
            format_reward=self._stage.recipe.format_reward,
        )

    def fall_back(self) -> None:
        """Put the last good weights in place."""
        self._policy.fall_back()

    def summary(self, shift: float) -> TrainSummary:
        """Of a stage that has taken every step. shift: how far it moved the logits."""
        prompts = [d.prompt for step in step_prompts(self._stage, self._corpus) for d in step]
        return TrainSummary(
            steps=len(self.records),
            tokens=sum(r.tokens for r in self.records),
            target_tokens=sum(r.target_tokens for r in self.records),
            replay_tokens=0,
            documents=len(prompts),
            unique_documents=len(set(prompts)),
            epochs=len(prompts) / len(set(prompts)),
            final_loss_nats_per_token=None,
            adapter_shift=shift,
        )

    def check(self) -> None:
        """Raises NothingToLearn where no reward of the stage ever differed from its group's."""
        if all(record.flat_groups_share == 1 for record in self.records):
            right = np.mean([record.right_share for record in self.records])
            reward = np.mean([record.reward_mean for record in self.records])
            raise NothingToLearn(
                f"{self._stage.role}: in each of {len(self.records)} steps all answers to a prompt "
                f"earned the same (mean reward {reward:.3g}, {right:.1%} right), so nothing was "
                "learnt; begin from a parent that is sometimes right, or raise temperature, "
                "group_size or format_reward"
            )

    def state(self) -> State:
        """What a process needs to go on from here."""
        tensors = self._policy.state()
        for step, weights in self.checkpoints.items():
            tensors |= {f"checkpoint-{step}/{name}": t for name, t in weights.items()}
        records = [record.model_dump() for record in self.records]
        return State(tensors, {"records": records, "sizes": self._policy.sizes})

    def take(self, state: State) -> None:
        """Go on from a state of this very stage.

        Does nothing where that was kept on a device on which parameters are laid out otherwise.
        """
        if state.about["sizes"] != self._policy.sizes:
            return
        self._policy.take(state.tensors)
        self.records = [RlStepRecord.model_validate(r) for r in state.about["records"]]
        for name, tensor in state.tensors.items():
            kind, _, weight = name.partition("/")
            if kind.startswith("checkpoint-"):
                step = int(kind.removeprefix("checkpoint-"))
                self.checkpoints.setdefault(step, {})[weight] = tensor


def _record(
    step: int, answers: Sequence[Answer], found: Sequence[Judged], flat: float, update: Update
) -> RlStepRecord:
    sampled = sum(answer.encoded.n_target for answer in answers)
    return RlStepRecord(
        step=step,
        loss=update.loss,
        grad_norm=update.grad_norm,
        learning_rate=update.learning_rate,
        tokens=sum(len(answer.encoded.ids) for answer in answers),
        target_tokens=sampled,
        reward_mean=sum(each.reward for each in found) / len(found),
        right_share=sum(each.right for each in found) / len(found),
        flat_groups_share=flat,
        truncated_share=sum(not answer.ended for answer in answers) / len(answers),
        answer_tokens_mean=sampled / len(answers),
        entropy_nats_per_token=update.entropy,
        kl_nats_per_token=update.kl,
        clipped_share=update.clipped_share,
    )
