"""What a report reads, brought to this machine where it lies elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from analysis.learning import MOST_RUNS
from study.folder import FolderError, StudyFolder
from study.places import Place, at_hand, is_remote
from study.store import Store
from study.trials import read_trials

STEPS_FILE: Final = "steps.parquet"
"""Of a training stage: losses by step. Its weights are none of a report's business."""


def reported(source: Place) -> tuple[Store, Path]:
    """The store of a study folder or file of item rows, and where it lies on this machine.

    Losses by step lie beside a study, in its stages; of those elsewhere the few that are shown are
    copied. Raises FolderError where nothing lies at a URL.
    """
    store, path = at_hand(source)
    if is_remote(source) and not path.is_dir():
        raise FolderError(f"{source}: there is no study; name what `launch --root` wrote")
    trained = [
        use["fingerprint"]
        for row in read_trials(StudyFolder(path).trials)
        for use in row["stages"] or ()
        if use["kind"] == "stage2"
    ]
    store.glimpse(list(dict.fromkeys(trained))[:MOST_RUNS], STEPS_FILE)
    return store, path
