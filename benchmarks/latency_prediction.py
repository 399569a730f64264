"""Predicted times of cascades against measured ones: at most 5 % off in the median.

    python benchmarks/latency_prediction.py --data ../shared/data --batch-size 8

Four real ResNets, 30 cascades of the front by latency, evenly spread; the prediction is made of
the members' times alone, nothing is fitted. Prints JSON.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from cifar10 import arguments, machine
from resnets import opened, resnet_pool

from encas.commands.latency_job import PATIENT
from encas.runtime.bench import profiled_sizes
from encas.runtime.profiler import profile_members
from encas.search.finder import find_front
from encas.tuning.candidates import spread
from encas.tuning.measuring import Bench, Conditions

N_CASCADES = 30
LIMIT = 0.05


def main() -> None:
    options = arguments(__doc__, batch_size=8, threads=1)
    pool = resnet_pool(options.data, "test")
    with tempfile.TemporaryDirectory() as folder:
        models, dataset = opened(pool, Path(folder), options.threads)
        sessions = {name: models.open(name) for name in pool.names}
        profile = profile_members(
            models.targets(), profiled_sizes(options.batch_size), protocol=PATIENT
        )
        front = find_front(
            pool, objective="latency", profile=profile, batch_size=options.batch_size, max_members=4
        )
        conditions = Conditions(
            device="cpu", batch_size=options.batch_size, protocol=PATIENT, data="test.zip"
        )
        bench = Bench(sessions.__getitem__, dataset, conditions)
        timed = [
            bench.timed(front.cascades[place], profile)
            for place in spread(len(front.cascades), N_CASCADES)
        ]
    errors = np.array([one.prediction_error for one in timed])
    found = {
        **machine(),
        "provider": profile.setting.provider,
        "versions": dict(profile.setting.versions),
        "threads": options.threads,
        "batch_size": options.batch_size,
        "n_cascades": len(timed),
        "n_front": len(front.cascades),
        "median_absolute_error": float(np.median(abs(errors))),
        "p90_absolute_error": float(np.percentile(abs(errors), 90)),
        "largest_error": float(errors[np.argmax(abs(errors))]),
        "gate_ms": profile.gate_ms,
        "cascades": [
            {
                "members": one.cascade.members,
                "predicted_ms": one.predicted_ms,
                "measured_ms": one.measured_ms,
            }
            for one in timed
        ],
    }
    print(json.dumps(found, indent=2))
    assert found["median_absolute_error"] <= LIMIT, "predictions are off"


if __name__ == "__main__":
    main()
