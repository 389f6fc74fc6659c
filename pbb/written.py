"""Mixtures that a study writes itself, in `curricula`, and which arms can be trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from pbb.arms import DEMONSTRATED_ARMS, PBB_ARMS, REVEALING_ARMS, Arm
from pbb.frozen import Frozen


class WrittenDocuments(Frozen):
    """An entry of a mixture: documents of acquisition programs, or of the targets themselves.

    Executions of the targets are those of the arm's n demonstrations, in every format trained.
    """

    kind: Literal["declarations", "executions", "in_context", "compositions"]
    split: Literal["acquisition", "target"] = "acquisition"
    share: Annotated[float, Field(gt=0, le=1)]
    """Of the stage's non-padding tokens."""
    replay: bool = False
    """Whether it repeats an earlier stage; recorded, and what `in_context` leaves out."""

    @model_validator(mode="after")
    def _shows_no_more_than_n(self) -> WrittenDocuments:
        if self.split == "target" and self.kind in ("in_context", "compositions"):
            raise ValueError(
                f"kind {self.kind} of split target would execute targets on more inputs than the "
                "arm's n demonstrations; use kind executions, or targets"
            )
        return self


class WrittenTargets(Frozen):
    """An entry of a mixture: the arm's target documents.

    Where an arm has none, the other shares of the stage grow to 1.
    """

    kind: Literal["targets"]
    share: Annotated[float, Field(gt=0, le=1)]


Mixture = tuple[Annotated[WrittenDocuments | WrittenTargets, Field(discriminator="kind")], ...]


def check_shares(mixture: Mixture) -> Mixture:
    """The mixture, whose shares sum to 1. Raises ValueError."""
    shares = [each.share for each in mixture]
    if abs(sum(shares) - 1) > 1e-9:
        told = " + ".join(f"{share:g}" for share in shares)
        raise ValueError(
            f"the shares of a stage must sum to 1; {told} = {sum(shares):g}; change one"
        )
    return mixture


def repeats(mixture: Mixture) -> bool:
    """Whether it holds, beside target documents, replay alone."""
    return all(isinstance(each, WrittenTargets) or each.replay for each in mixture)


def unfit(mixtures: Sequence[Mixture], arm: Arm) -> str | None:
    """Why an arm cannot be trained on these mixtures, and the way out; null where it can."""
    entries = [entry for mixture in mixtures for entry in mixture]
    of_targets = {
        e.kind for e in entries if isinstance(e, WrittenDocuments) and e.split == "target"
    }
    if "executions" in of_targets and arm not in DEMONSTRATED_ARMS:
        kept = "claims PBB, so its training never holds one" if arm in PBB_ARMS else "shows none"
        return (
            f"trains on executions of split target, but arm {arm!r} {kept}; use kind targets, or "
            "run the arms 'demonstrations' and 'both' alone"
        )
    if "declarations" in of_targets and arm not in ("instruction", "both"):
        return (
            f"declares programs of split target, which arm {arm!r} does not; use kind targets, or "
            "run the arms 'instruction' and 'both' alone"
        )
    if arm in REVEALING_ARMS:
        return None if any(e.kind == "targets" for e in entries) else _nothing_of_targets(arm)
    if any(all(entry.kind == "targets" for entry in mixture) for mixture in mixtures):
        return (
            f"has a stage of targets alone, of which arm {arm!r} has none; give that stage another "
            "entry, such as declarations"
        )
    return None


def _nothing_of_targets(arm: Arm) -> str:
    return (
        f"holds no targets, so arm {arm!r} would be trained on nothing of them; add an entry "
        "{kind: targets, share: ...} to a stage, or run the arm 'none'"
    )
