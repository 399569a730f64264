"""How a search grows with models, samples and classes, on *simulated* pools.

From a pool of 500 models, 5,000 samples and 100 classes, one size at a time is changed
(simulate_pool.py invents the outputs). For each pool: the time to compress it and how much is
stored; MO-GOMEA with 20,000 evaluations and five members; what a cascade costs the search's
evaluator and what it costs the definition, and whether both count the same.

Claim: doubling a pool at most about doubles a search: seconds grow no faster than 1.2 times the
size that changes.

    python benchmarks/search_growth.py --data ../shared/data
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cifar10 import arguments, machine, median
from paper_scale import compared, compressed, measured, searched

BASE = {"n_models": 500, "n_samples": 5_000, "n_classes": 100}
CURVES = {
    "n_models": (64, 500, 1_500, 5_000),
    "n_samples": (1_000, 5_000, 20_000, 50_000),
    "n_classes": (10, 100, 1_000),
}
SLACK = 1.2


def figures(data: Path, sizes: Mapping[str, int], given: Any) -> dict[str, Any]:
    """All that is measured of one pool."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "pool"
        stored = measured(compressed, data, folder, sizes)
        runs = [
            measured(searched, data, folder, sizes, "mo-gomea", given.evaluations, seed)
            for seed in range(1, given.seeds + 1)
        ]
        checked = measured(compared, data, folder, sizes, given.cascades)
    keys = ("seconds", "hypervolume", "peak_resident_gb")
    return dict(sizes) | {
        "compression": stored,
        "search": {key: median([run[key] for run in runs]) for key in keys},
        "definition": checked,
    }


def main() -> None:
    given = arguments(__doc__, seeds=3, evaluations=20_000, cascades=50)
    wanted = [BASE | {axis: n} for axis, values in CURVES.items() for n in values]
    rows: list[dict[str, Any]] = []
    for sizes in {json.dumps(sizes): sizes for sizes in wanted}.values():
        rows.append(figures(given.data, sizes, given))
        print(json.dumps(rows[-1]), flush=True)
    print(json.dumps({"machine": machine(), "pools": "simulated", "rows": rows}, indent=2))
    base = next(row for row in rows if BASE.items() <= row.items())
    for row in rows:
        assert row["definition"]["bit_equal"], f"the counts of {row} differ"
        growth = max(row[axis] / base[axis] for axis in BASE)
        assert row["search"]["seconds"] <= SLACK * growth * base["search"]["seconds"], row


if __name__ == "__main__":
    main()
