"""Where a search without a limit ends by itself, beside the same search with 100,000 sequences.

The rule (search/loop.py, `Budget.settles`) was chosen on the CIFAR-10 pool of the validation images
and on simulated pools of seed 0; here it is held against the pool of the test images and simulated
pools of other seeds, which had no part in it.

Claim: the median loss of hypervolume is at most 0.05 %, and a search of at most 50 models ends
within 10 seconds of processor time in the median.

    python benchmarks/default_end.py --data ../shared/data
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import arguments, load, machine, median
from simulate_pool import simulated_pool

from encas.pools.pool import Pool
from encas.search.front_finding import find_front

FULL = 100_000
SIZES = ((24, 500, 10), (24, 500, 100), (50, 2000, 100))
MOST_LOSS, MOST_SECONDS = 5e-4, 10.0


def pools(data: Path, seeds: int) -> Iterator[Pool]:
    """The pools, in memory."""
    yield load(data, "test")
    for n_models, n_samples, n_classes in SIZES:
        for seed in range(1, seeds + 1):
            invented = simulated_pool(
                data / "timm",
                n_models=n_models,
                n_samples=n_samples,
                n_classes=n_classes,
                seed=seed,
            )
            outputs = [np.asarray(output[:]) for output in invented.outputs]
            label = np.asarray(invented.label)
            yield Pool.of(outputs=outputs, label=label, models=invented.models, name=invented.name)


def searched(pool: Pool, evaluations: int | None) -> tuple[float, int, float]:
    """Hypervolume, sequences and processor seconds of a sweep."""
    start = time.process_time()
    front = find_front(pool, algorithm="sweep", evaluations=evaluations, seed=1)
    *_, (n, _, volume) = front.search["hypervolume"]["history"]
    return volume, n, time.process_time() - start


def main() -> None:
    given = arguments(__doc__, seeds=3)
    rows: list[dict[str, Any]] = []
    for pool in pools(given.data, given.seeds):
        searched(pool, 200)
        volume, n, seconds = searched(pool, None)
        best, _, full_seconds = searched(pool, FULL)
        rows.append({
            "pool": pool.name, "sequences": n, "processor_seconds": round(seconds, 2),
            "full_processor_seconds": round(full_seconds, 2), "loss": 1 - volume / best,
        })  # fmt: skip
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    result = {"machine": machine(), "rows": rows}
    for key in ("loss", "sequences", "processor_seconds", "full_processor_seconds"):
        result[f"median_{key}"] = median([row[key] for row in rows])
    result["worst_loss"] = max(row["loss"] for row in rows)
    print(json.dumps(result, indent=2))
    assert result["median_loss"] <= MOST_LOSS
    assert result["median_processor_seconds"] <= MOST_SECONDS


if __name__ == "__main__":
    main()
