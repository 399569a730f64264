"""Predicted times of cascades against measured ones: at most 5 % off in the median.

    python benchmarks/latency_prediction.py --data ../shared/data --batch-size 8

Four real ResNets, 40 cascades of the front by latency, evenly spread. Ten of them correct the
members' times as `encas tune` does; the claim is about the 30 others. The error of the prediction
from the members alone is told beside it. Prints JSON.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from cifar10 import arguments, machine
from resnets import opened, resnet_pool

from encas.jobs.measure_latency import PATIENT
from encas.jobs.tuning.candidates import spread
from encas.jobs.tuning.correction import fitted
from encas.jobs.tuning.tune_bench import Conditions, TuneBench
from encas.runtime.bench import profiled_sizes
from encas.runtime.profiler import profile_members
from encas.search.front_finding import find_front

N_CASCADES, CORRECTING = 40, 4
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
        bench = TuneBench(sessions.__getitem__, dataset, conditions)
        timed = [
            bench.timed(front.cascades[place], profile)
            for place in spread(len(front.cascades), N_CASCADES)
        ]
    known = {one.cascade: one for one in bench.known}
    composed = [known[one.cascade] for one in timed]
    corrected = fitted(profile, composed[::CORRECTING])
    others = [one for i, one in enumerate(composed) if i % CORRECTING]
    alone = [one.error(profile) for one in others]
    errors = [one.error(corrected) for one in others]
    found = {
        **machine(),
        "provider": profile.setting.provider,
        "versions": dict(profile.setting.versions),
        "threads": options.threads,
        "batch_size": options.batch_size,
        "n_front": len(front.cascades),
        "n_correcting": len(composed) - len(others),
        "corrections": dict(corrected.corrections),
        "from_members_alone": _errors(alone),
        "corrected": _errors(errors),
        "gate_ms": profile.gate_ms,
        "cascades": [
            {
                "members": one.cascade.members,
                "predicted_ms": one.predicted_ms(corrected),
                "measured_ms": one.measured_ms,
            }
            for one in others
        ],
    }
    print(json.dumps(found, indent=2))
    assert found["corrected"]["median"] <= LIMIT, "predictions are off"


def _errors(errors: list[float]) -> dict[str, float]:
    sizes = np.abs(np.array(errors))
    return {
        "n": len(sizes),
        "median": float(np.median(sizes)),
        "p90": float(np.percentile(sizes, 90)),
        "largest": float(sizes.max()),
    }


if __name__ == "__main__":
    main()
