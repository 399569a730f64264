"""Trains thirteen small CIFAR-10 networks, makes pools of them, and searches for cascades.

Prints JSON. The networks (examples/cifar10/small_nets.py) are trained on train.zip, two at a time,
each on one thread; a network whose weights are there already is not trained again, and the time
that its training took is counted from its file of seconds. Then, with nothing but the command's own
functions: a pool on val.zip and one on test.zip, a search of the first, its front on both, and
front.svg, the picture of them. Which cascade and which single model stand in the comparison is
decided on val.zip alone; test.zip is looked at once, at the end.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar10 import machine
from torch.nn import functional

from encas.data.open_source import open_source
from encas.data.pixels import pixel_steps, read_pixels
from encas.data.preprocessing import Preprocessing
from encas.files import new_file, write_atomically
from encas.fronts.front import Front
from encas.fronts.scored_cascade import ScoredCascade
from encas.fronts.scoring import evaluate_front
from encas.intervals import wilson_interval
from encas.pools.building.build_pool import build_pool
from encas.pools.models.specs import source_model
from encas.pools.pool import Pool
from encas.reports.content import report_of
from encas.reports.svg import draw
from encas.search.front_finding import find_front

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "cifar10"
PREPROCESSING = EXAMPLE / "preprocessing.json"
BATCH_SIZE = 128
PEAK_RATE, MOMENTUM, DECAY = 0.15, 0.9, 5e-4
SHIFT = 4
LEAST_STEP = 0.002


@dataclass(frozen=True)
class Recipe:
    """A network and how many epochs it is trained."""

    family: str
    width: int
    depth: int
    size: int
    epochs: int

    @property
    def name(self) -> str:
        """Says it all, for example `mobile-w8-d1-16px`."""
        return f"{self.family}-w{self.width}-d{self.depth}-{self.size}px"

    @property
    def spec(self) -> str:
        """Of the network without its weights."""
        words = f"family={self.family}&width={self.width}&depth={self.depth}&size={self.size}"
        return f"torch:small_nets:small_net?{words}"


# The longest first, so that two processes end at about the same time.
RECIPES = (
    Recipe("residual", 24, 2, 24, epochs=7),
    Recipe("residual", 20, 2, 16, epochs=11),
    Recipe("residual", 16, 1, 32, epochs=10),
    Recipe("residual", 12, 1, 32, epochs=11),
    Recipe("mobile", 12, 1, 24, epochs=10),
    Recipe("residual", 16, 1, 24, epochs=12),
    Recipe("plain", 24, 1, 24, epochs=9),
    Recipe("residual", 8, 1, 24, epochs=16),
    Recipe("mobile", 8, 1, 16, epochs=16),
    Recipe("residual", 12, 1, 16, epochs=17),
    Recipe("plain", 12, 1, 16, epochs=16),
    Recipe("plain", 6, 1, 16, epochs=16),
    Recipe("residual", 6, 1, 16, epochs=17),
)


def main() -> None:
    options = _options()
    os.chdir(EXAMPLE)
    trained_s = train_all(options)
    start = time.perf_counter()
    pools = {split: pool_on(split, options) for split in ("val", "test")}
    front = find_front(pools["val"], evaluations=options.evaluations, seed=0)
    front.save(options.out / "front.json")
    on_test = evaluate_front(front, pools["test"])
    on_test.save(options.out / "front_test.json")
    write_atomically(options.out / "front.svg", picture(pools, (front, on_test)))
    total_s = trained_s + time.perf_counter() - start
    result = {
        "machine": machine() | {"torch": torch.__version__},
        "networks": len(chosen_recipes(options)),
        "training_s": round(trained_s, 1),
        "total_s": round(total_s, 1),
        "search": {key: front.search[key] for key in ("algorithm", "evaluations", "wall_s")},
        **summary(pools, front, on_test),
    }
    print(json.dumps(result, indent=2))
    assert options.minutes is None or total_s <= 60 * options.minutes, "it took too long"
    if options.networks == len(RECIPES) and options.images is None:
        best, chosen = result["best_single"], result["cascade_at_its_accuracy"]
        assert chosen["macs"] < best["macs"], "no cascade is cheaper than the best single model"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("build/cifar_pool"))
    parser.add_argument("--networks", type=int, default=len(RECIPES), help="only the last ones")
    parser.add_argument("--images", type=int, help="train on a part of the images")
    parser.add_argument("--epochs", type=int, help="instead of each recipe's own")
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, help="fail where it takes longer")
    options = parser.parse_args()
    options.data, options.out = options.data.resolve(), options.out.resolve()
    return options


def chosen_recipes(options: argparse.Namespace) -> tuple[Recipe, ...]:
    """The recipes that are wanted: the cheapest ones where there are fewer."""
    return RECIPES[len(RECIPES) - options.networks :]


def train_all(options: argparse.Namespace) -> float:
    """Trains what has no weights yet; returns the seconds of all trainings, shared by the workers.

    Each runs on one thread, so this is the wall time of a run that does nothing twice.
    """
    train_missing(options)
    files = [options.out / "weights" / f"{r.name}.seconds" for r in chosen_recipes(options)]
    return sum(float(file.read_text()) for file in files) / options.workers


def train_missing(options: argparse.Namespace) -> None:
    """Trains what has no weights yet, on samples that are decoded once."""
    weights = options.out / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    missing = [r for r in chosen_recipes(options) if not (weights / f"{r.name}.pt").is_file()]
    if not missing:
        return
    source = open_source(str(options.data / "cifar10" / "train.zip"))
    rows = np.random.default_rng(0).permutation(source.n_samples)[: options.images]
    preprocessing = Preprocessing.load(PREPROCESSING)
    plan = pixel_steps(preprocessing)
    np.save(weights / "x.npy", read_pixels(source.take(rows), plan, 0, len(rows)))
    np.save(weights / "label.npy", source.label[rows])
    jobs = [(recipe, weights, options.epochs or recipe.epochs) for recipe in missing]
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        for name, seconds in pool.imap_unordered(train, jobs):
            print(f"{name}: {seconds:.0f} s", flush=True, file=sys.stderr)
    (weights / "x.npy").unlink()
    (weights / "label.npy").unlink()


def train(job: tuple[Recipe, Path, int]) -> tuple[str, float]:
    """Trains one network on one thread; writes NAME.pt and NAME.seconds; returns name and time."""
    recipe, weights, epochs = job
    torch.set_num_threads(1)
    start = time.perf_counter()
    pixels, label = np.load(weights / "x.npy"), torch.tensor(np.load(weights / "label.npy"))
    x = torch.tensor(Preprocessing.load(PREPROCESSING).normalised(pixels))
    build = source_model(recipe.spec).build
    assert build is not None
    model = build().train().requires_grad_(requires_grad=True)
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), PEAK_RATE, momentum=MOMENTUM, weight_decay=DECAY, nesterov=True
    )
    generator = torch.Generator().manual_seed(0)
    steps = epochs * len(label.split(BATCH_SIZE))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(label), generator=generator).split(BATCH_SIZE):
            batch = varied(x[rows], generator).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(model(batch), label[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    (weights / f"{recipe.name}.seconds").write_text(f"{seconds:.1f}\n")
    with new_file(weights / f"{recipe.name}.pt") as file:
        torch.save(model.state_dict(), file)
    return recipe.name, seconds


def varied(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The samples, each moved by up to four pixels and mirrored half of the time."""
    n, side = len(x), x.shape[-1]
    padded = functional.pad(x, (SHIFT,) * 4)
    top, left = torch.randint(0, 2 * SHIFT + 1, (2, n), generator=generator)
    mirrored = torch.rand(n, generator=generator) < 0.5
    moved = torch.stack(
        [
            padded[i, :, t : t + side, s : s + side]
            for i, (t, s) in enumerate(zip(top.tolist(), left.tolist(), strict=True))
        ]
    )
    return torch.where(mirrored[:, None, None, None], moved.flip(3), moved)


def pool_on(split: str, options: argparse.Namespace) -> Pool:
    """The pool of all networks on a split."""
    models = [
        f"{recipe.name}={recipe.spec}&weights={options.out / 'weights' / recipe.name}.pt"
        for recipe in chosen_recipes(options)
    ]
    report = build_pool(
        models,
        data=options.data / "cifar10" / f"{split}.zip",
        preprocessing=PREPROCESSING,
        workers=options.workers,
        name=f"cifar10-small-{split}",
        out=options.out / split,
    )
    return Pool.load(report.path)


def summary(pools: dict[str, Pool], front: Front, on_test: Front) -> dict[str, Any]:
    """Single models and the front; whatever is chosen is chosen on val."""
    val, test = pools["val"], pools["test"]
    singles = [
        {
            "name": name,
            "macs": val.models[i].costs["macs"],
            "val": accuracy_of(val, i),
            "test": accuracy_of(test, i),
        }
        for i, name in enumerate(val.names)
    ]
    best = max(singles, key=lambda single: (single["val"], -single["macs"]))
    points = [point(a, b) for a, b in zip(front.cascades, on_test.cascades, strict=True)]
    fitting = [p for p in points if p["val"] >= best["val"]]
    return {
        "singles": sorted(singles, key=lambda single: single["macs"]),
        "front": points,
        "best_single": best | {"test_interval": interval(best["test"], test)},
        "cascade_at_its_accuracy": fitting[0]
        | {"test_interval": interval(fitting[0]["test"], test)},
        "most_accurate_cascade": points[-1] | {"test_interval": interval(points[-1]["test"], test)},
    }


def picture(pools: dict[str, Pool], fronts: Sequence[Front]) -> str:
    """Single models and fronts as SVG; of the fronts, steps that can be told apart on val."""
    shown, last = list[int](), 0.0
    for index, scored in enumerate(fronts[0].cascades):
        if scored.accuracy >= last + LEAST_STEP:
            shown.append(index)
            last = scored.accuracy
    thinned = [front.with_cascades([front.cascades[i] for i in shown]) for front in fronts]
    report = report_of(thinned, pools=list(pools.values()))
    return draw(report.figures[0].chart, alone=True) + "\n"


def point(on_val: ScoredCascade, on_test: ScoredCascade) -> dict[str, Any]:
    return {
        "members": list(on_val.cascade.members),
        "thresholds": list(on_val.cascade.thresholds),
        "macs": on_val.cost,
        "val": 1 - on_val.error,
        "test": 1 - on_test.error,
        "test_macs": on_test.cost,
    }


def accuracy_of(pool: Pool, index: int) -> float:
    # As a front's error is computed, so that equal accuracies are equal numbers.
    n_wrong = int((pool.probabilities(index).argmax(axis=1) != pool.label).sum())
    return 1 - n_wrong / pool.n_samples


def interval(accuracy: float, pool: Pool) -> list[float]:
    return [round(x, 4) for x in wilson_interval(round(accuracy * pool.n_samples), pool.n_samples)]


if __name__ == "__main__":
    main()
