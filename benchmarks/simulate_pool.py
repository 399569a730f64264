"""A *simulated* pool of paper scale: timm's accuracies and costs, invented outputs.

The real pool of the paper (518 timm models, 20,683 images of ImageNetV2, 1000 classes) is 20 GB of
float16 and cannot be had offline. This generator takes accuracy (ImageNetV2) and GMACs of real
models from timm's result tables and invents the outputs; any rows of any model can be asked for,
so that nothing has to be stored. Everything follows from the seed.

For sample n there are D candidate classes, the true one first. Model m of family f gives candidate
d the score
    u = [d = 0] * (skill_m - hardness_n) + affinity_nd + 0.55 * family_fnd + 0.65 * own_mnd,
all random terms normal (hardness with standard deviation 2.2; the affinity falls by
1.2 * exp(0.9 * normal_n) * log(1 + d), so samples differ in how many classes they resemble). The
errors of two models are correlated through the sample, and more so within a family. Logits are
sharpness_m * u; the other classes share a small tail whose pattern belongs to the sample and is
rolled by a model-specific offset. skill_m is the quantile that
gives the accuracy of the table; sharpness_m makes the mean confidence equal that accuracy plus a
model-specific calibration error of standard deviation 0.06.

    python benchmarks/simulate_pool.py --data ../shared/data        prints the pool's statistics
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numba import njit

from encas.pools.model import Model
from encas.pools.pool import Pool

BLOCK = 64
# What all models share is kept for so many blocks: pools are read model by model, a few at a time.
BLOCKS_KEPT = 64
N_CANDIDATES = 24
HARDNESS, AFFINITY_SLOPE, SLOPE_SPREAD = 2.2, 1.2, 0.9
FAMILY_WEIGHT, OWN_WEIGHT = 0.55, 0.65
N_CALIBRATION_BLOCKS = 12
PAPER = {"n_models": 518, "n_samples": 20_683, "n_classes": 1000}
BENCHMARK = "benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv"
RESULTS = "results-imagenetv2-matched-frequency.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmModel:
    """One row of timm's tables."""

    name: str
    accuracy: float
    gmacs: float
    params: float

    @property
    def family(self) -> str:
        return self.name.split(".")[0].split("_")[0].rstrip("0123456789")


def timm_models(folder: Path, n_models: int, seed: int = 0) -> list[TimmModel]:
    """`n_models` rows, evenly spaced in the order of GMACs; past the table, jittered copies."""
    costs: dict[tuple[str, str], dict[str, str]] = {}
    for file in [folder / BENCHMARK, *sorted(folder.glob("benchmark-*.csv"))]:
        for row in csv.DictReader(file.open()):
            costs.setdefault((row["model"], row["infer_img_size"]), row)
    rows = []
    for row in csv.DictReader((folder / RESULTS).open()):
        cost = costs.get((row["model"].split(".")[0], row["img_size"]))
        if cost is not None:
            rows.append(
                TimmModel(
                    name=f"{row['model']}@{row['img_size']}",
                    accuracy=float(row["top1"]) / 100,
                    gmacs=float(cost["infer_gmacs"]),
                    params=float(row["param_count"].replace(",", "")) * 1e6,
                )
            )
    rows.sort(key=lambda m: (m.gmacs, m.name))
    if n_models <= len(rows):
        return [rows[i * len(rows) // n_models] for i in range(n_models)]
    rng = np.random.default_rng(seed)
    copies = []
    for i in range(n_models):
        model = rows[i % len(rows)]
        copies.append(
            TimmModel(
                name=f"{model.name}#{i // len(rows)}",
                accuracy=float(np.clip(model.accuracy + rng.normal(0, 0.005), 0.02, 0.98)),
                gmacs=float(model.gmacs * np.exp(rng.normal(0, 0.1))),
                params=model.params,
            )
        )
    return copies


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What all models see of one block of samples."""

    candidates: np.ndarray
    affinity: np.ndarray
    tail: np.ndarray
    family: np.ndarray


@njit(cache=True)
def _spread(weights, candidates, tail, level, shift, output):
    """Normalised probabilities: the tail, rolled, and the candidates' weights on top."""
    n_rows, n_classes = output.shape
    for i in range(n_rows):
        total = level + weights[i].sum()
        for c in candidates[i]:
            total -= level * tail[i, (c + shift) % n_classes]
        scale = np.float32(1) / total
        split = n_classes - shift
        output[i, :split] = tail[i, shift:] * (level * scale)
        output[i, split:] = tail[i, :shift] * (level * scale)
        for d in range(candidates.shape[1]):
            output[i, candidates[i, d]] = weights[i, d] * scale


@dataclass(eq=False)
class Simulation:
    """The outputs of `models` on `n_samples` samples, made on demand."""

    models: list[TimmModel]
    n_samples: int
    n_classes: int
    seed: int = 0
    skill: np.ndarray = field(init=False)
    sharpness: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.families = sorted({model.family for model in self.models})
        self.n_candidates = min(N_CANDIDATES, self.n_classes)
        self.shared = lru_cache(maxsize=BLOCKS_KEPT)(self._shared)
        rng = np.random.default_rng((self.seed, 1))
        self.offset = rng.normal(0, 0.06, len(self.models))
        self.roll = rng.integers(0, self.n_classes, len(self.models))
        self.tail_level = rng.uniform(-4.0, -1.5, len(self.models))
        self.skill = np.zeros(len(self.models))
        self.sharpness = np.ones(len(self.models))
        self._calibrate()

    @property
    def label(self) -> np.ndarray:
        blocks = [self.shared(b).candidates[:, 0] for b in range(-(-self.n_samples // BLOCK))]
        return np.concatenate(blocks)[: self.n_samples].astype(np.int64)

    def scores(self, model: int, block: int) -> np.ndarray:
        """The scores u of the candidates, without the skill, [BLOCK, n_candidates]."""
        shared = self.shared(block)
        rng = np.random.Generator(np.random.Philox(key=[self.seed, (model + 1) << 32 | block]))
        own = rng.standard_normal(shared.affinity.shape, np.float32)
        family = shared.family[self.families.index(self.models[model].family)]
        return shared.affinity + np.float32(FAMILY_WEIGHT) * family + np.float32(OWN_WEIGHT) * own

    def block(self, model: int, block: int) -> np.ndarray:
        """Probabilities of one block, float32 [BLOCK, n_classes]."""
        shared = self.shared(block)
        scores = self.scores(model, block)
        scores[:, 0] += np.float32(self.skill[model])
        weights = np.exp(
            np.float32(self.sharpness[model]) * (scores - scores.max(1, keepdims=True))
        )
        output = np.empty((BLOCK, self.n_classes), np.float32)
        level = np.float32(np.exp(self.tail_level[model]))
        _spread(weights, shared.candidates, shared.tail, level, int(self.roll[model]), output)
        return output

    def _shared(self, block: int) -> Shared:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, block]))
        n_classes, n_candidates = self.n_classes, self.n_candidates
        candidates = np.argsort(rng.random((BLOCK, n_classes), np.float32), axis=1)
        affinity = rng.standard_normal((BLOCK, n_candidates), np.float32)
        slope = np.float32(AFFINITY_SLOPE) * np.exp(
            np.float32(SLOPE_SPREAD) * rng.standard_normal((BLOCK, 1), np.float32)
        )
        affinity -= slope * np.log1p(np.arange(n_candidates, dtype=np.float32))
        affinity[:, 0] -= np.float32(HARDNESS) * rng.standard_normal(BLOCK, np.float32)
        tail = np.exp(rng.standard_normal((BLOCK, n_classes), np.float32))
        family = rng.standard_normal((len(self.families), BLOCK, n_candidates), np.float32)
        return Shared(
            candidates=candidates[:, :n_candidates],
            affinity=affinity,
            tail=tail / tail.sum(axis=1, keepdims=True),
            family=family,
        )

    def _calibrate(self) -> None:
        n_blocks = min(N_CALIBRATION_BLOCKS, -(-self.n_samples // BLOCK))
        gathered = [
            [self.scores(m, block) for m in range(len(self.models))] for block in range(n_blocks)
        ]
        for m, model in enumerate(self.models):
            scores = np.concatenate([block[m] for block in gathered])
            lead = scores[:, 0] - scores[:, 1:].max(axis=1)
            self.skill[m] = -np.quantile(lead, 1 - model.accuracy)
            scores[:, 0] += np.float32(self.skill[m])
            target = float(np.clip(model.accuracy + self.offset[m], 0.05, 0.97))
            self.sharpness[m] = self._sharpness(scores, target, float(self.tail_level[m]))

    def _sharpness(self, scores: np.ndarray, target: float, tail_level: float) -> float:
        below = scores - scores.max(axis=1, keepdims=True)
        low, high = 0.05, 20.0
        for _ in range(14):
            middle = float(np.sqrt(low * high))
            total = np.exp(np.float32(middle) * below).sum(axis=1) + np.exp(tail_level)
            low, high = (middle, high) if (1 / total).mean() < target else (low, middle)
        return middle


@dataclass(frozen=True, eq=False)
class SimulatedOutput:
    """One model's outputs as an array that is computed when it is sliced."""

    simulation: Simulation
    model: int
    dtype: np.dtype = field(default_factory=lambda: np.dtype(np.float32))

    @property
    def shape(self) -> tuple[int, int]:
        return self.simulation.n_samples, self.simulation.n_classes

    def __len__(self) -> int:
        return self.simulation.n_samples

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if not isinstance(rows, slice):
            low, high = (int(rows.min()), int(rows.max()) + 1) if len(rows) else (0, 0)
            return self[low:high][np.asarray(rows) - low]
        start, stop, _ = rows.indices(self.simulation.n_samples)
        blocks = range(start // BLOCK, -(-stop // BLOCK))
        parts = [self.simulation.block(self.model, b) for b in blocks]
        whole = np.concatenate(parts) if parts else np.zeros((0, self.shape[1]), np.float32)
        return whole[start - blocks.start * BLOCK : stop - blocks.start * BLOCK]


def simulated_pool(
    timm: Path, *, n_models: int, n_samples: int, n_classes: int, seed: int = 0
) -> Pool:
    """The simulated pool; its outputs are computed whenever they are read."""
    rows = timm_models(timm, n_models, seed)
    simulation = Simulation(rows, n_samples, n_classes, seed)
    models = tuple(
        Model(
            name=row.name,
            kind="probabilities",
            costs={"macs": row.gmacs * 1e9, "params": row.params},
        )
        for row in rows
    )
    name = f"simulated-{n_models}x{n_samples}x{n_classes}-seed{seed}"
    return Pool(
        name=name,
        models=models,
        outputs=tuple(SimulatedOutput(simulation, m) for m in range(n_models)),  # type: ignore[arg-type]
        label=simulation.label,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
    )


def statistics(pool: Pool, n_rows: int, max_members: int = 5) -> dict[str, object]:
    """What the pool looks like on its first rows: contenders, accuracies, error correlation."""
    outputs = np.stack([pool.probabilities(m, slice(0, n_rows)) for m in range(pool.n_models)])
    top = outputs.max(axis=2)
    contends = outputs >= top[:, :, None] / max_members
    right = outputs.argmax(axis=2) == pool.label[:n_rows]
    union = contends.any(axis=0).sum(axis=1)
    accuracies = right.mean(axis=1)
    return {
        "contenders_per_model": float(contends.sum(axis=2).mean()),
        "union": {
            "mean": float(union.mean()),
            **{f"p{q}": float(np.percentile(union, q)) for q in (50, 95, 100)},
        },
        "accuracy": {f"p{q}": float(np.percentile(accuracies, q)) for q in (0, 50, 100)},
        "mean_confidence": float(top.mean()),
        "error_correlation": float(np.corrcoef(right)[np.triu_indices(len(right), 1)].mean()),
        "oracle_accuracy": float(right.any(axis=0).mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pool = simulated_pool(options.data / "timm", **PAPER, seed=options.seed)
    print(json.dumps({"pool": pool.name, **statistics(pool, options.rows)}, indent=2))


if __name__ == "__main__":
    main()
