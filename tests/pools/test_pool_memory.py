"""Pools larger than memory: whoever writes one holds one model of it at a time."""

import tracemalloc

import numpy as np
import pytest

from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_npz import export_npz
from encas.pools.pool_split import split_pool
from encas.pools.pool_tools import Wanted, filter_pool, merge_pools

N_MODELS, N_SAMPLES, N_CLASSES = 40, 1000, 100
SHARES = {"search": 0.5, "selection": 0.25, "test": 0.25}


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Pool:
    """40 models of 0.4 MB each, memory-mapped."""
    rng = np.random.default_rng(3)
    models = [Model(name=f"m{i}", kind="logits", costs={"macs": i}) for i in range(N_MODELS)]
    outputs = [rng.random((N_SAMPLES, N_CLASSES), np.float32) for _ in models]
    label = np.arange(N_SAMPLES) % N_CLASSES
    pool = Pool.of(outputs=outputs, label=label, models=models)
    return pool.save(tmp_path_factory.mktemp("large") / "pool")


TOOLS = {
    "split": lambda pool, out: split_pool(pool, out=out, **SHARES, seed=0),
    "filter": lambda pool, out: filter_pool(pool, out, Wanted(), without=pool.take([1, 2])),
    "merge": lambda pool, out: merge_pools([pool], out),
    "npz": export_npz,
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tool_holds_few_models_in_memory(stored, tmp_path, tool):
    pool = Pool.load(stored.path)
    TOOLS[tool](pool, tmp_path / "warm")
    tracemalloc.start()
    try:
        TOOLS[tool](pool, tmp_path / "out")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    one_model = N_SAMPLES * N_CLASSES * 4
    assert peak < 5 * one_model
    assert (tmp_path / "out").exists()
