"""A small loop on the disk, without torch: models, data, a pool of them, a front."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from encas.cascade import Cascade, softmax
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.fronts.scoring import evaluate_front
from encas.pools.model import Model
from encas.pools.pool import Pool

SHAPE, N_CLASSES, N_SAMPLES = (1, 2, 3), 4, 60
NAMES = ("small", "medium", "large")


@dataclass(frozen=True)
class Loop:
    """Where everything lies; `data` is the DATA string."""

    pool: Path
    front: Path
    data: str


def make_loop(folder: Path) -> Loop:
    """Writes everything into a folder."""
    rng = np.random.default_rng(11)
    x = rng.normal(0, 1, (N_SAMPLES, *SHAPE)).astype(np.float32)
    truth = rng.normal(0, 2, (6, N_CLASSES)).astype(np.float32)
    label = (x.reshape(-1, 6) @ truth).argmax(axis=1)
    np.savez(folder / "data.npz", x=x, label=label)
    outputs, models = [], []
    for place, name in enumerate(NAMES):
        weights = truth + rng.normal(0, 2 - place * 0.8, truth.shape).astype(np.float32)
        save_linear(folder / f"{name}.onnx", weights)
        outputs.append(softmax(x.reshape(-1, 6) @ weights))
        costs = {"macs": 24.0 * 10**place, "params": 24.0}
        models.append(
            Model(name=name, kind="probabilities", costs=costs, source=f"onnx:../{name}.onnx")
        )
    pool = Pool.of(outputs=outputs, label=label, models=models, name="linear")
    pool = pool.save(folder / "pool")
    save_front(pool, folder / "front.json")
    return Loop(
        pool=folder / "pool",
        front=folder / "front.json",
        data=f"npz:{folder / 'data.npz'}",
    )


def save_linear(path: Path, weights: np.ndarray) -> None:
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", N_CLASSES])],
        [numpy_helper.from_array(weights, "weights")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def save_front(pool: Pool, path: Path) -> None:
    cascades = [
        Cascade(members=("small",), thresholds=()),
        Cascade(members=("small", "large"), thresholds=(0.8,)),
        Cascade(members=("small", "medium", "large"), thresholds=(0.9, 0.9)),
    ]
    unscored = Front(
        pool=PoolReference(name=pool.name, sha256="0" * 64, n_samples=1, n_classes=N_CLASSES),
        objectives=("error", "macs"),
        cascades=tuple(
            ScoredCascade(cascade=c, error=0.0, cost=0.0, reach=(1.0,) * c.n_stages)
            for c in cascades
        ),
        search={"algorithm": "by hand", "seed": 0},
    )
    evaluate_front(unscored, pool).save(path)
