"""The pools of the demo: networks trained on drawn digits, their outputs on three splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..data.drawn_digits import drawn_digits
from ..pools.model import Model
from ..pools.pool import Pool
from ..progress import OnProgress, unheard
from .digit_networks import RECIPES, DigitRecipe, TrainedNetwork
from .digit_training import logits_of, train_pool

SPLITS = ("search", "selection", "test")
CLASSES = tuple("0123456789")
SEED_STRIDE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoTraining:
    """How networks are trained: the seed, how often each of the 600 digits is drawn, the passes."""

    seed: int = 0
    n_drawings: int = 40
    epochs: int = 1


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
    x, label = drawn_digits("train", n_drawings=settings.n_drawings)
    name = f"seed-{settings.seed}-drawings-{settings.n_drawings}-epochs-{settings.epochs}"
    return train_pool(
        out / "networks" / name,
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
    x, label = drawn_digits(split)
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
        name=f"digits32:{split}",
        classes=CLASSES,
        data=f"digits32:{split}",
    )
    return pool.save(path, overwrite=True)
