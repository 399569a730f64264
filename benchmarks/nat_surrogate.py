"""The surrogate's speed in batches, and how well it ranks subnets that it has not seen.

    python benchmarks/nat_surrogate.py --archive 300 --points 10000

speed: an ensemble of 500 networks is fitted on an archive of random subnets of a space (22 genes:
    ofa-mbv3-w1.0; 28 genes: attentive-nas), and asked for the errors of other subnets: all in one
    call; the first --single of them one call each; and 20 of them
    network by network and point by point. All sides use the same fitted ensemble.
quality: the subnets of a real archive, random subnets of small-mobile on digits after a warm-up of
    30 epochs; the ensemble is fitted on two thirds and asked for the rest, for --splits splits.

Claims: a batch gives the same errors as single points, and at least 10 times as fast as network by
network and point by point; Kendall's tau is at least 0.4 in the median of the splits. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from cifar10 import arguments, machine, median
from partial import stored

from encas.nat.designs import space_of
from encas.nat.nat_settings import PRESETS
from encas.nat.pretrained import make_supernet
from encas.nat.space import sample_distinct
from encas.nat.subnet_evaluating import macs_of_genomes
from encas.nat.surrogate import Quality, RbfEnsemble
from encas.nat.task import DataPlan, open_task
from encas.nat.transfer import subnet_rounds
from encas.work import drive

SPACES = ("ofa-mbv3-w1.0", "attentive-nas")
LEAST_RATIO, LEAST_TAU, NEAR = 10.0, 0.4, 1e-3
N_APART = 20
T = TypeVar("T")


def main() -> None:
    given = arguments(
        __doc__,
        archive=300,
        points=10_000,
        single=1_000,
        measured=180,
        splits=20,
        seed=0,
        threads=2,
    )
    torch.set_num_threads(given.threads)
    speeds = [speed(name, given.archive, given.points, given.single) for name in SPACES]
    torch.set_num_threads(1)
    key = {"measured": given.measured, "seed": given.seed}
    archive = stored("nat_surrogate", key, lambda: measured_archive(given.measured, given.seed))
    quality = qualities(np.array(archive["genomes"]), np.array(archive["errors"]), given.splits)
    versions = {"torch": torch.__version__, "threads": given.threads}
    print(json.dumps({**machine(), **versions, "speed": speeds, "quality": quality}, indent=2))
    for row in speeds:
        assert row["ratio_apart"] >= LEAST_RATIO, row
        for key in ("max_difference", "max_difference_apart"):
            assert row[key] <= NEAR * row["spread"], row
    assert quality["tau_median"] >= LEAST_TAU, quality


def speed(name: str, n_archive: int, n_points: int, n_single: int) -> dict[str, Any]:
    """Seconds to fit and to ask, both ways."""
    space, rng = space_of(name), np.random.default_rng(0)
    genomes = sample_distinct(space, n_archive + n_points, rng)
    macs = macs_of_genomes(space, genomes[:n_archive], n_classes=10)
    errors = 1 / np.log10(macs) + rng.normal(0, 1e-3, n_archive)
    features = genomes.astype(np.float64)
    known, asked = features[:n_archive], features[n_archive:]
    fit_s, ensemble = timed(lambda: RbfEnsemble.fit(known, errors[:, None], rng=rng))
    ensemble.predict(asked[:10])
    batch_s, batch = timed(lambda: ensemble.predict(asked)[:, 0])
    some = asked[:n_single]
    single_s, single = timed(
        lambda: np.array([ensemble.predict(point[None])[0, 0] for point in some])
    )
    alone = [one_network(ensemble, index) for index in range(len(ensemble.masks))]
    few = asked[:N_APART]
    apart_s, apart = timed(
        lambda: np.array([[one.predict(point[None])[0, 0] for one in alone] for point in few])
    )
    row = {
        "space": name,
        "n_genes": len(space.n_values),
        "n_archive": n_archive,
        "n_networks": len(ensemble.masks),
        "fit_s": fit_s,
        "n_points": n_points,
        "batch_s": batch_s,
        "batch_ms_per_point": 1e3 * batch_s / n_points,
        "n_single": n_single,
        "single_ms_per_point": 1e3 * single_s / n_single,
        "ratio": (single_s / n_single) / (batch_s / n_points),
        "apart_ms_per_point": 1e3 * apart_s / N_APART,
        "ratio_apart": (apart_s / N_APART) / (batch_s / n_points),
        "max_difference_apart": float(abs(np.median(apart, axis=1) - batch[:N_APART]).max()),
        "max_difference": float(abs(single - batch[:n_single]).max()),
        "spread": float(batch.std()),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def one_network(ensemble: RbfEnsemble, index: int) -> RbfEnsemble:
    """An ensemble of one of the networks."""
    one = slice(index, index + 1)
    parts = {key: getattr(ensemble, key)[one] for key in ("masks", "weights", "slopes", "offsets")}
    return replace(ensemble, **parts)


def measured_archive(n: int, seed: int) -> dict[str, Any]:
    """Genomes and measured errors of random subnets after a warm-up on digits."""
    settings = replace(PRESETS["small"], archive_size=n, iterations=0)
    task = open_task(DataPlan(train="digits:train", search="digits:search"), settings, seed=seed)
    supernet = make_supernet("small-mobile", n_classes=10, size=8, n_channels=1, seed=seed)
    rounds = subnet_rounds(supernet, task, settings, rng=np.random.default_rng(seed))
    drive(rounds)
    return {"genomes": rounds.genomes.tolist(), "errors": rounds.points[:, 0].tolist()}


def qualities(genomes: np.ndarray, errors: np.ndarray, n_splits: int) -> dict[str, Any]:
    """Kendall's tau and RMSE on held-out thirds."""
    found = []
    for split in range(n_splits):
        rng = np.random.default_rng(split)
        order = rng.permutation(len(errors))
        held, known = np.split(order, [len(order) // 3])
        features = genomes.astype(np.float64)
        ensemble = RbfEnsemble.fit(features[known], errors[known, None], rng=rng)
        found.append(Quality.of(ensemble.predict(features[held])[:, 0], errors[held]))
    taus, rmses = ([getattr(q, key) for q in found] for key in ("tau", "rmse"))
    return {
        "n_archive": len(errors),
        "n_held_out": found[0].n,
        "n_splits": n_splits,
        "error_range": [float(errors.min()), float(errors.max())],
        "error_spread": float(errors.std()),
        "tau_median": median(taus),
        "tau_range": [min(taus), max(taus)],
        "rmse_median": median(rmses),
        "rmse_range": [min(rmses), max(rmses)],
    }


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds and result."""
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


if __name__ == "__main__":
    main()
