"""The pools of the demo: 24 small networks trained on digits, their outputs on three splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..data.digits import digits
from ..pools.model import Model
from ..pools.pool import Pool
from ..progress import OnProgress, unheard
from .digit_networks import RECIPES, DigitRecipe, TrainedNetwork, logits_of, train_pool

SPLITS = ("search", "selection", "test")
CLASSES = tuple("0123456789")
SEED_STRIDE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTraining:
    """How networks are trained: the seed, and the passes over the 600 training samples."""

    seed: int = 0
    epochs: int = 40


DEFAULT_TRAINING = DemoTraining()


def pool_path(out: Path, split: str) -> Path:
    """The folder of a split's pool; the one that is searched is plainly `pool`."""
    return out / ("pool" if split == "search" else f"pool_{split}")


def train_networks(
    out: Path,
    recipes: tuple[DigitRecipe, ...] = RECIPES,
    *,
    settings: DemoTraining = DEFAULT_TRAINING,
    on_progress: OnProgress = unheard,
) -> tuple[TrainedNetwork, ...]:
    """Trains networks on the split "train"; those whose weights lie in `out` are done."""
    x, label = digits("train")
    return train_pool(
        out / "networks" / f"seed-{settings.seed}-epochs-{settings.epochs}",
        x,
        label,
        recipes=recipes,
        seed=settings.seed * SEED_STRIDE,
        epochs=settings.epochs,
        on_progress=on_progress,
    )


def make_pools(out: Path, networks: tuple[TrainedNetwork, ...]) -> Mapping[str, Pool]:
    """Runs the networks over the other splits and writes a pool for each."""
    return {split: _make_pool(out, split, networks) for split in SPLITS}


def _make_pool(out: Path, split: str, networks: tuple[TrainedNetwork, ...]) -> Pool:
    x, label = digits(split)
    path = pool_path(out, split)
    models = [
        Model(
            name=network.recipe.name,
            kind="logits",
            costs={"macs": float(network.macs), "params": float(network.params)},
            source=network.spec(base=path),
        )
        for network in networks
    ]
    pool = Pool.of(
        outputs=[logits_of(network.load(), x) for network in networks],
        label=label,
        models=models,
        name=f"digits:{split}",
        classes=CLASSES,
        data=f"digits:{split}",
    )
    return pool.save(path, overwrite=True)
