"""A small loop on the disk, as values and as paths."""

import numpy as np
import pytest
from linear_loop import NAMES, Loop, make_loop

from encas.pools.pool import Pool


@pytest.fixture
def loop(tmp_path, monkeypatch) -> Loop:
    monkeypatch.chdir(tmp_path)
    return make_loop(tmp_path)


@pytest.fixture
def held(loop) -> Pool:
    """The loop's pool in memory, as a Python user makes it of arrays."""
    stored = Pool.load(loop.pool)
    return Pool.of(
        outputs=[np.asarray(output) for output in stored.outputs],
        label=stored.label,
        names=list(NAMES),
        costs={"macs": stored.costs("macs")},
        sources=[f"onnx:{loop.pool.parent / name}.onnx" for name in NAMES],
        name="held",
    )
