"""Ray Tune over trials that share nothing: `python -m tests.bench.ray_one_at_a_time STUDY COUNT`.

A Tuner with one trial at a time, on a Ray of its own with one CPU; a trainable process serves one
trial after another, so that it is paid for once. Prints JSON: by trial, what
`tests.bench.one_at_a_time` tells of it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from study.backends import ray_environment
from study.plan import Trial
from tests.bench.answered_sample import Asked, asked_of, planned, sample


def by_tune(trials: Sequence[Trial], device: str, folder: str) -> dict[str, Any]:
    """What the trainable tells of each, by trial. folder: where Tune may write."""
    ray_environment.prepare()
    import ray  # after its environment is set
    from ray import tune

    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        held = {"CPU": 1.0, "GPU": 1.0 if device == "cuda" else 0.0}
        trainable = tune.with_parameters(_one, trials={t.id: t for t in trials}, device=device)
        found = tune.Tuner(
            tune.with_resources(trainable, held),
            param_space={"trial": tune.grid_search([trial.id for trial in trials])},
            tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    if found.errors:
        raise SystemExit(str(found.errors[0]))
    each = [found[i].metrics or {} for i in range(len(found))]
    return {metrics["config"]["trial"]: _told(metrics) for metrics in each}


def _one(config: Mapping[str, str], trials: Mapping[str, Trial], device: str) -> dict[str, Any]:
    from tests.bench.one_at_a_time import whole  # brings torch, which the driver does without

    return whole(trials[config["trial"]], device)


def _told(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {key: metrics[key] for key in ("accuracy", "parts", "began_s", "ended_s")}


def main(asked: Asked) -> None:
    """Run the sample of the study's trials."""
    trials = sample(planned(asked.study, asked.smoke).trials, asked.trials)
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(by_tune(trials, asked.device, folder)))


if __name__ == "__main__":
    main(asked_of(__doc__))
