"""The paper's search, 600,000 evaluations over 518 models, on a *simulated* pool.

simulate_pool.py invents the outputs (accuracies and costs are those of timm's tables). They are
compressed as `encas pool compress` does it, and searched as `encas search` does it, each in a
process of its own.

Claim: MO-GOMEA with 600,000 evaluations and five members takes at most 60 seconds on two cores and
4 GB resident; on 1,000 random cascades its objectives equal those of the definition, applied to the
complete outputs, to the last bit. Beside it: the sweep over member sequences, and the time of the
definition for a cascade.

    python benchmarks/paper_scale.py --data ../shared/data --seeds 3

--out keeps the compressed pool for the next run.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from cifar10 import arguments, machine, median
from simulate_pool import BLOCK, PAPER, simulated_pool

from encas.arrays import IntArray
from encas.evaluate.contender_store import store_contenders
from encas.evaluate.evaluator_choice import contenders_of, evaluator_for
from encas.evaluate.genome import decode, gene_sizes
from encas.evaluate.objectives import LinearCost, TopOneError
from encas.evaluate.threshold_grid import THRESHOLDS
from encas.fronts.indicators import hypervolume
from encas.pools.absent_output import AbsentOutput
from encas.pools.pool import Pool
from encas.pools.pool_io import CONTENDERS
from encas.search.cascade_problem import CascadeProblem
from encas.search.front_finding import find_front

MEMBERS = 5
MOST_SECONDS, MOST_GB = 60.0, 4.0
SWEPT = 60_000


def measured(work: Callable[..., dict], *given: Any) -> dict:
    """What `work` returns, from a fresh process, with the most memory that it held."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_with_peak, (work, given))


def _with_peak(work: Callable[..., dict], given: tuple) -> dict:
    result = work(*given)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return result | {"peak_resident_gb": round(peak, 2)}


def simulated(data: Path, folder: Path, sizes: Mapping[str, int]) -> Pool:
    """The pool, as if its outputs lay in the folder: what is compressed there is found."""
    return replace(simulated_pool(data / "timm", **sizes), path=folder)


def without_outputs(pool: Pool, folder: Path, sizes: Mapping[str, int]) -> Pool:
    """The pool as `encas pool compress` would store it: nobody waits for invented outputs."""
    absent = AbsentOutput(
        shape=(sizes["n_samples"], sizes["n_classes"]),
        dtype=np.dtype(np.float32),
        where=str(folder),
    )
    return replace(pool, outputs=(absent,) * pool.n_models)


def compressed(data: Path, folder: Path, sizes: Mapping[str, int]) -> dict:
    """Compresses the simulated pool; the time has that of inventing the outputs in it."""
    pool = simulated(data, folder, sizes)
    folder.mkdir(parents=True)
    start = time.perf_counter()
    found = store_contenders(pool, folder / CONTENDERS, max_members=MEMBERS, rank=1)
    seconds = time.perf_counter() - start
    size = sum(file.stat().st_size for file in (folder / CONTENDERS).iterdir())
    return {
        "seconds": seconds,
        "gb": size / 1e9,
        "dense_float32_gb": 4 * pool.n_models * pool.n_samples * pool.n_classes / 1e9,
        "classes_per_sample": float((found.classes >= 0).sum()) / pool.n_samples,
    }


def searched(
    data: Path,
    folder: Path,
    sizes: Mapping[str, int],
    algorithm: str,
    evaluations: int,
    seed: int,
) -> dict:
    """One search of the compressed pool alone, as a command would run it."""
    pool = without_outputs(simulated(data, folder, sizes), folder, sizes)
    # Compiles, or loads the compiled code, which is no part of the search.
    find_front(pool, algorithm=algorithm, evaluations=200, seed=seed)
    start, used = time.perf_counter(), time.process_time()
    front = find_front(pool, algorithm=algorithm, evaluations=evaluations, seed=seed)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    return {
        "seed": seed,
        "seconds": seconds,
        "processor_seconds": used,
        "evaluations": front.search["evaluations"],
        "hypervolume": hypervolume(front.points / (1.0, pool.costs("macs").max()), (1.0, 1.0)),
        "cascades": len(front.cascades),
        "least_error": min(c.error for c in front.cascades),
    }


def random_genomes(n: int, n_models: int) -> IntArray:
    sizes = gene_sizes(n_models, MEMBERS)
    return np.random.default_rng(7).integers(sizes, size=(n, len(sizes)))


def dense_counts(pool: Pool, genomes: IntArray) -> tuple[IntArray, IntArray, float]:
    """Correct answers and reaches by the definition, and the seconds that it took for them.

    The complete pool does not fit any memory here: outputs are made for 64 samples at a time, and
    the definition sees those of one cascade after the other.
    """
    members, genes = decode(genomes)
    correct = np.zeros(len(genomes), np.int64)
    reached = np.zeros(members.shape, np.int64)
    seconds = 0.0
    for start in range(0, pool.n_samples, BLOCK):
        rows = slice(start, min(start + BLOCK, pool.n_samples))
        outputs = [pool.probabilities(m, rows) for m in range(pool.n_models)]
        label = pool.label[rows]
        begun = time.perf_counter()
        for i, row in enumerate(members):
            stages = [outputs[m] for m in row[row >= 0]]
            correct[i] += _follow(stages, THRESHOLDS[genes[i]], label, reached[i])
        seconds += time.perf_counter() - begun
    return correct, reached, seconds


def _follow(stages: list, thresholds: Any, label: IntArray, reached: IntArray) -> int:
    """One cascade on some samples, stage by stage; returns how many answers are right."""
    rows = np.arange(len(label))
    total = np.zeros_like(stages[0])
    n_right = 0
    for j, output in enumerate(stages):
        reached[j] += len(rows)
        total = total[: len(rows)] + output[rows] if j else output.copy()
        mean = total / np.float32(j + 1)
        right = mean.argmax(axis=1) == label[rows]
        is_last = j + 1 == len(stages)
        leaves = np.full(len(rows), True) if is_last else mean.max(axis=1) > thresholds[j]
        n_right += int((right & leaves).sum())
        rows, total = rows[~leaves], total[~leaves]
        if not len(rows):
            break
    return n_right


def compared(data: Path, folder: Path, sizes: Mapping[str, int], n: int) -> dict:
    """Counts and objectives of random cascades by the definition and by the search's evaluator."""
    pool = simulated(data, folder, sizes)
    genomes = random_genomes(n, pool.n_models)
    contenders = contenders_of(pool, max_members=MEMBERS, confidence="max_probability")
    evaluator = evaluator_for(pool, contenders, confidence="max_probability")
    cost = LinearCost(name="macs", costs=pool.costs("macs"))
    problem = CascadeProblem(
        evaluator, TopOneError(), [cost], n_models=pool.n_models, max_members=MEMBERS
    )
    # Compiles, or loads the compiled code.
    problem.evaluate(genomes[:1])
    start = time.perf_counter()
    found = problem.evaluate(genomes)
    ours = time.perf_counter() - start
    members, thresholds = decode(genomes)
    counts = evaluator.count(members, thresholds)
    correct, reached, dense = dense_counts(pool, genomes)
    same = np.array_equal(counts.correct, correct) and np.array_equal(counts.reached, reached)
    expected = np.stack(
        [
            (pool.n_samples - correct) / pool.n_samples,
            _linear(pool.costs("macs"), members, reached, pool.n_samples),
        ],
        axis=1,
    )
    return {
        "cascades": n,
        "bit_equal": bool(same and np.array_equal(found, expected)),
        "dense_ms_per_cascade": 1e3 * dense / n,
        "ours_ms_per_cascade": 1e3 * ours / n,
        "ratio": dense / ours,
    }


def _linear(macs: Any, members: IntArray, reached: IntArray, n_samples: int) -> Any:
    total = np.zeros(len(members))
    for j in range(members.shape[1]):
        total += np.where(members[:, j] >= 0, reached[:, j] / n_samples * macs[members[:, j]], 0.0)
    return total


def main() -> None:
    given = arguments(
        __doc__, seeds=3, evaluations=600_000, cascades=1000, out="build/bench/paper_scale"
    )
    folder = Path(given.out) / "pool"
    result: dict[str, Any] = {"machine": machine(), "pool": "simulated", "sizes": PAPER}
    if not folder.exists():
        result["compression"] = measured(compressed, given.data, folder, PAPER)
    runs = {
        name: [
            measured(searched, given.data, folder, PAPER, name, evaluations, seed)
            for seed in range(1, given.seeds + 1)
        ]
        for name, evaluations in (("mo-gomea", given.evaluations), ("sweep", SWEPT))
    }
    result["medians"] = {
        name: {key: median([run[key] for run in found]) for key in found[0] if key != "seed"}
        for name, found in runs.items()
    }
    result |= {
        "runs": runs,
        "definition": measured(compared, given.data, folder, PAPER, given.cascades),
    }
    print(json.dumps(result, indent=2))
    assert result["definition"]["bit_equal"], "an objective differs from the definition's"
    ours = result["medians"]["mo-gomea"]
    assert ours["peak_resident_gb"] <= MOST_GB
    assert ours["seconds"] <= MOST_SECONDS, "slower than a minute"


if __name__ == "__main__":
    main()
