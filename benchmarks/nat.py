"""What Neural Architecture Transfer is worth on real data, against random subnets of equal cost.

    python benchmarks/nat.py --dataset digits --seeds 5
    python benchmarks/nat.py --dataset cifar10 --seeds 2

For each small supernetwork and seed there are two runs from the same warmed-up weights: NAT, and
one whose rounds train and evaluate randomly drawn subnets (the best of them are kept). Both train
for the same number of epochs and evaluate the same number of subnets. What is compared are the
fronts of their last archives: hypervolume relative to error 1 and the MACs of the largest subnet.

Claim: NAT's hypervolume is larger, in the median of the seeds and the supernetworks. Prints JSON
with every pair and one-sided Wilcoxon tests. The runs lie in build/bench/nat and are resumed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from cifar10 import REPOSITORY, arguments, machine, median
from scipy.stats import wilcoxon

from encas.nat.nat_runs import NatRun
from encas.nat.nat_session import Launch, Origin, transfer
from encas.nat.nat_settings import PRESETS, NatSettings
from encas.nat.task import DataPlan

FOLDER = REPOSITORY / "build" / "bench" / "nat"
SUPERNETS = ("small-mobile", "small-fused")


def main() -> None:
    given = arguments(__doc__, dataset="digits", seeds=5, first_seed=0, threads=1)
    torch.set_num_threads(given.threads)
    rows = [
        pair(given.dataset, supernet, seed, given.data)
        for seed in range(given.first_seed, given.first_seed + given.seeds)
        for supernet in SUPERNETS
    ]
    print(json.dumps({**machine(), "torch": torch.__version__, **result(rows)}, indent=2))
    gains = [row["nat"] - row["random"] for row in rows]
    assert median(gains) > 0, gains


def result(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians of both sides, and how likely such differences are by chance, per supernetwork."""
    tests = {}
    for supernet in (*SUPERNETS, None):
        chosen = [row for row in rows if supernet in (None, row["supernet"])]
        tests[supernet or "all"] = compared(chosen, "nat", "random")
    return {"claims": tests, "pairs": list(rows)}


def compared(rows: Sequence[dict[str, Any]], better: str, worse: str) -> dict[str, Any]:
    """One claim: `better` > `worse`, with the p-value of a one-sided Wilcoxon test."""
    a, b = ([row[key] for row in rows] for key in (better, worse))
    test: Any = wilcoxon(a, b, alternative="greater")
    return {
        "n": len(rows),
        "n_better": sum(x > y for x, y in zip(a, b, strict=True)),
        better: median(a),
        worse: median(b),
        "median_gain": median([x - y for x, y in zip(a, b, strict=True)]),
        "p": float(test.pvalue),
    }


def pair(dataset: str, supernet: str, seed: int, data: Path) -> dict[str, Any]:
    """Both runs of one seed."""
    row: dict[str, Any] = {"dataset": dataset, "supernet": supernet, "seed": seed}
    for name, proposer in (("nat", "surrogate"), ("random", "random")):
        begun = time.perf_counter()
        run = adapted(dataset, supernet, seed, data, proposer=proposer)
        last = run.history[-1]
        taus = [each.tau for each in run.history if each.tau is not None]
        row |= {
            name: last.hypervolume,
            f"{name}_first": run.history[0].hypervolume,
            f"{name}_best_error": last.best_error,
            f"{name}_front": len(run.front),
            f"{name}_tau": median(taus) if taus else None,
            f"{name}_s": round(time.perf_counter() - begun, 1),
        }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def adapted(dataset: str, supernet: str, seed: int, data: Path, *, proposer: str) -> NatRun:
    """A run, done, resumed or read."""
    plan, settings = setup(dataset, data)
    return transfer(
        Origin(supernet=supernet),
        plan,
        replace(settings, proposer=proposer),  # type: ignore[arg-type]  # checked there
        FOLDER / f"{dataset}-{supernet}-{proposer}-{seed}",
        launch=Launch(seed=seed, resume=True),
    )


def setup(dataset: str, data: Path) -> tuple[DataPlan, NatSettings]:
    """The samples and settings of a data set, for two processor cores."""
    small = PRESETS["small"]
    if dataset == "digits":
        return DataPlan(train="digits:train", search="digits:search"), small
    images = data / "cifar10"
    plan = DataPlan(
        train=str(images / "train.zip"), search=str(images / "val.zip"), n_train=5_000, size=16
    )
    return plan, replace(small, warm_up_epochs=8, iterations=4, epochs=1)


if __name__ == "__main__":
    main()
