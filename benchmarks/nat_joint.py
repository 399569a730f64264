"""Supernetworks adapted together to cascades (ENCAS-joint), against each adapted for itself.

    python benchmarks/nat_joint.py --dataset digits --seeds 5 --first-seed 1

Joint: one run of ENCAS-joint over both small supernetworks, with the training of nat.py for each of
them and as many cascades in its archive as a run of nat.py has subnets there. Its front of cascades
is judged on the test split, and so is the front that a cascade search finds in the pool that it
leaves (joint+). Separate: what nat_cascades.py measures of the two runs of nat.py, whose subnets
make one pool. Both searches have the same number of evaluations.

Claims, after A. Chebykin, T. Alderliesten, P. A. N. Bosman (GECCO 2022, doi
10.1145/3512290.3528749), each with a one-sided Wilcoxon test over the seeds: joint+ > joint;
joint > separate; joint+ > separate. By hypervolume on the test split, relative to error 1 and the
MACs of the largest subnet. Asserted is the first. Prints JSON; a seed that is done is in
build/bench.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import torch
from cifar10 import arguments, machine
from nat_cascades import joined, largest_macs, measured, pools_of, searched, volume
from partial import stored

from encas.fronts.scoring import evaluate_front
from encas.nat.joint_runs import JointRun, front_of
from encas.nat.joint_session import joint_transfer
from encas.nat.nat_session import Launch, Origin
from nat import FOLDER, SUPERNETS, compared, setup

CLAIMS = (("joint+", "joint"), ("joint", "separate"), ("joint+", "separate"))


def main() -> None:
    given = arguments(
        __doc__, dataset="digits", seeds=5, first_seed=1, threads=1, evaluations=20_000
    )
    torch.set_num_threads(given.threads)
    rows = []
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        key = {"dataset": given.dataset, "seed": seed, "evaluations": given.evaluations}
        apart = stored("nat_cascades", key, lambda key=key: measured(key, given.data))
        row = stored("nat_joint", key, lambda key=key: together(key, given.data))
        rows.append(row | {"separate": apart["both, cascades"]})
    claims = {f"{a} > {b}": compared(rows, a, b) for a, b in CLAIMS}
    versions = {"torch": torch.__version__}
    print(json.dumps({**machine(), **versions, "claims": claims, "seeds": rows}, indent=2))
    assert claims["joint+ > joint"]["median_gain"] > 0, claims


def together(key: dict[str, Any], data: Path) -> dict[str, Any]:
    """Hypervolumes on the test split of one seed."""
    begun = time.perf_counter()
    run = joint_run(key["dataset"], key["seed"], data)
    seconds = time.perf_counter() - begun
    scale = max(largest_macs(member) for member in run.members)
    pools = [pools_of(member, key["dataset"], data) for member in run.members]
    search, test = (joined(list(part)) for part in zip(*pools, strict=True))
    front = front_of(run, search)
    errors = [scored.error for scored in run.front]
    assert [scored.error for scored in front.cascades] == errors, "not what the run measured"
    plus = searched(search, key, {"algorithm": "mo-gomea"})
    taus = [each.tau for each in run.history if each.tau is not None]
    return {
        "joint": volume(evaluate_front(front, test), scale),
        "joint+": volume(evaluate_front(plus, test), scale),
        "joint, on search": volume(front, scale),
        "joint+, on search": volume(plus, scale),
        "n_cascades": len(front.cascades),
        "n_models": search.n_models,
        "taus": taus,
        "run_s": round(seconds, 1),
    }


def joint_run(dataset: str, seed: int, data: Path) -> JointRun:
    """A run, done, resumed or read."""
    plan, settings = setup(dataset, data)
    return joint_transfer(
        [Origin(supernet=name) for name in SUPERNETS],
        plan,
        settings,
        FOLDER / f"{dataset}-joint-{seed}",
        launch=Launch(seed=seed, resume=True),
    )


if __name__ == "__main__":
    main()
