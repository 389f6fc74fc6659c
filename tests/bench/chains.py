"""Some trials of a study, stage by stage in this process: `python chains.py STUDY TRIALS`.

A script and no module, for `tests.bench.against` runs it on the code of other commits too. TRIALS
says how many, evenly among the study's. Prints JSON: for each kind of stage, processor seconds of
every stage run.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from pbb.engine import Engine
from search_spaces.study_file import load_study
from study.plan import make_plan


def main(study: str, count: int) -> None:
    """Run them on one thread, as a worker of a small study does."""
    torch.set_num_threads(1)
    trials = make_plan(load_study(study)).trials
    chosen = [trials[i * len(trials) // count] for i in range(count)]
    engine = Engine("cpu")
    spent: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        done: dict[str, Path] = {}
        for planned in (stage for trial in chosen for stage in trial.chain):
            if planned.fingerprint in done:
                continue
            out = done[planned.fingerprint] = Path(folder, planned.fingerprint)
            out.mkdir()
            began = time.process_time()
            engine.run(planned.stage, done[planned.parent] if planned.parent else None, out)
            stage: Any = planned.stage
            kind = "evaluation" if planned.is_evaluation else stage.role
            spent[kind].append(time.process_time() - began)
    print(json.dumps(spent))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
