"""The four real CIFAR-10 ResNets as ONNX files: their pools, and sessions of them."""

from __future__ import annotations

import os
from pathlib import Path

from cifar10 import REPOSITORY, skip

from encas.data.dataset import Dataset
from encas.data.open_data import open_views
from encas.jobs.pool_targets import PoolModels
from encas.pools.building.build_pool import build_pool
from encas.pools.pool import Pool
from encas.runtime.placement import Placement

PREPROCESSING = REPOSITORY / "examples" / "cifar10" / "preprocessing.json"
BUILD = REPOSITORY / "build" / "resnets"


def resnet_pool(data: Path, split: str) -> Pool:
    """The stored outputs on val.zip or test.zip; they are computed once, in build/resnets."""
    weights = sorted((data / "cifar10" / "weights").glob("*.onnx"))
    if not weights:
        skip(f"the real networks are not here: {data / 'cifar10' / 'weights'}")
    report = build_pool(
        [f"{path.stem}=onnx:{path.resolve()}" for path in weights],
        data=(data / "cifar10" / f"{split}.zip").resolve(),
        preprocessing=PREPROCESSING,
        workers=1,
        out=BUILD / split,
    )
    return Pool.load(report.path)


def opened(pool: Pool, folder: Path, n_threads: int) -> tuple[PoolModels, Dataset]:
    """The pool's models as they will be deployed, and the images as these take them."""
    models = PoolModels(pool, folder, Placement(n_threads=n_threads), exporter="dynamo")
    return models, open_views(pool.data, models.views.preprocessings)


def quiet_threads() -> None:
    """One thread for every library that makes its own."""
    os.environ["OMP_NUM_THREADS"] = "1"
