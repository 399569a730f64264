"""What helps a front on images that it was not searched on, at equal evaluations.

Searches the validation pool of 16 real CIFAR-10 networks and scores the fronts on the test pool:
as stored; with one temperature for each network, fitted on the validation images; with confidences
other than the largest probability. Nothing is chosen by the test images.

    python benchmarks/cifar_generalisation.py --data ../shared/data --seeds 10
"""

from __future__ import annotations

import json

from cifar10 import arguments, load, machine, median, volume

from encas.search.calibration import fit_temperatures
from encas.search.finder import find_front
from encas.search.pool import Pool
from encas.search.scoring import evaluate_front


def volumes(pool: Pool, test: Pool, seeds: int, evaluations: int, confidence: str) -> dict:
    runs = []
    for seed in range(1, seeds + 1):
        front = find_front(
            pool,
            evaluations=evaluations,
            seed=seed,
            algorithm="mo-gomea",
            confidence=confidence,  # type: ignore[arg-type]
        )
        runs.append((volume(front), volume(evaluate_front(front, test))))
    search, held_out = zip(*runs, strict=True)
    return {
        "hypervolume": median(search),
        "hypervolume_test": median(held_out),
        "range_test": [min(held_out), max(held_out)],
    }


def main() -> None:
    given = arguments(__doc__, seeds=10, evaluations=100_000)
    pool, test = load(given.data, "val"), load(given.data, "test")
    temperatures = fit_temperatures(pool)
    calibrated = pool.with_temperatures(temperatures), test.with_temperatures(temperatures)
    result = {"machine": machine(), "evaluations": given.evaluations, "seeds": given.seeds}
    for name, pools in (("as stored", (pool, test)), ("calibrated", calibrated)):
        for confidence in ("max_probability", "margin"):
            key = f"{name}, {confidence}"
            result[key] = volumes(*pools, given.seeds, given.evaluations, confidence)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
