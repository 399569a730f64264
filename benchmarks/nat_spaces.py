"""Every supernetwork gives subnets that are what they are said to be: random ones of each space.

    python benchmarks/nat_spaces.py --subnets 50 --exports 50

Each space is built with random weights, BatchNorm statistics, and maps of kernels. Of each random
subnet it is measured, in eval mode and on random images:

* the largest difference between the extracted subnet and the supernetwork that is activated as it;
* the difference between its MACs by the space's formula and by torch's FlopCounterMode;
* the largest difference of a probability, and the labels, between onnxruntime on the exported model
  and torch, at batch 1 and 8, after the statistics are recalibrated and the head is scaled so that
  the images get different labels; of the first --exports subnets.

Checkpoints are read back by the names and shapes that the authors publish, and the MACs of
AttentiveNAS-A0 .. A6 are held against the published ones.

Claim: no difference but rounding in the exported models. Prints JSON; a space that is measured is
stored in build/bench/nat_spaces.jsonl and not measured again.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from cifar10 import arguments, machine
from partial import stored
from torch.utils.flop_counter import FlopCounterMode

from encas.errors import SourceError
from encas.export.onnx_export import ExportedModel, export_member
from encas.export.proofs import TOLERANCE
from encas.nat.design import Architecture, SubnetBlock
from encas.nat.designs import NAMES, SMALL, space_of
from encas.nat.pretrained import load_checkpoint, make_supernet
from encas.nat.recipe import macs_of
from encas.nat.sample_table import SampleTable
from encas.nat.space import sample_distinct
from encas.nat.subnet_evaluating import SubnetEvaluator, recalibrate
from encas.nat.subnet_network import Network
from encas.nat.supernet import Supernet
from encas.pools.models.source_model import SourceModel

N_CLASSES, SEED = 10, 0
BATCHES = (1, 8)
LOGIT_SPREAD = 2.0
# The exported model may differ from torch by the tolerance of `encas-export`, or by so many times
# what torch in float32 differs from torch in float64: random weights amplify roundings.
ROUNDINGS = 4
ATTENTIVE = ("attentive-nas", "alphanet")
PUBLISHED_MMACS = {"a0": 203, "a1": 279, "a2": 317, "a3": 357, "a4": 444, "a5": 491, "a6": 709}
# Resolution; stem, the widths of seven stages, head; kernels; expansions; depths. Source: the
# evaluation settings that the authors of AttentiveNAS publish beside their checkpoints.
PUBLISHED_SUBNETS = {
    "a0": (192, (16, 16, 24, 32, 64, 112, 192, 216, 1792), "3333333", "1444466", "1333331"),
    "a1": (224, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1444466", "1333331"),
    "a2": (224, (16, 16, 24, 32, 64, 112, 200, 224, 1984), "3333353", "1454466", "1333341"),
    "a3": (224, (16, 16, 24, 32, 64, 112, 208, 224, 1984), "3335333", "1444466", "2334351"),
    "a4": (256, (16, 16, 24, 32, 64, 112, 192, 216, 1984), "3335353", "1445466", "1334351"),
    "a5": (256, (16, 16, 24, 32, 72, 112, 192, 216, 1792), "3335333", "1454466", "1333461"),
    "a6": (288, (16, 16, 24, 32, 64, 112, 216, 224, 1984), "3333353", "1465466", "1334461"),
}  # fmt: skip


def main() -> None:
    given = arguments(
        __doc__, subnets=50, exports=50, spaces=",".join(NAMES), threads=1, exporter="legacy"
    )
    torch.set_num_threads(given.threads)
    rows = []
    for name in given.spaces.split(","):
        key = {
            "space": name,
            "subnets": given.subnets,
            "exports": given.exports,
            "exporter": given.exporter,
        }
        rows.append(stored("nat_spaces", key, lambda key=key: _measured(key, given.data)))
    published = _published_macs()
    versions = {"torch": torch.__version__, "onnxruntime": onnxruntime.__version__}
    print(json.dumps({**machine(), **versions, "spaces": rows, "published": published}, indent=2))
    for row in rows:
        assert row["max_difference_extracted"] == 0, row
        assert row["max_difference_macs"] == 0, row
        assert row["max_excess"] <= 1, row
        assert row["label_flips"] == 0, row
        assert row["checkpoint_tensors"] > 0, row
    assert all(abs(one["macs"] / one["published"] - 1) < 0.01 for one in published), published


def _measured(key: dict[str, Any], data: Path) -> dict[str, Any]:
    begun = time.perf_counter()
    supernet = _shaken(make_supernet(key["space"], n_classes=N_CLASSES))
    design = supernet.space.design
    genomes = sample_distinct(supernet.space, key["subnets"], np.random.default_rng(SEED))
    alike, macs, proofs = [], [], []
    for index, genome in enumerate(genomes):
        architecture = supernet.space.decode(genome)
        network = supernet.extract(architecture)
        alike.append(_difference(supernet, network, architecture))
        formula = macs_of(design.recipe(architecture, n_classes=N_CLASSES))
        macs.append((formula, _counted_macs(network, design.size)))
        if index < key["exports"]:
            proofs.append(_proof(network, design.size, key["exporter"]))
        _tell(key["space"], index, len(genomes), time.perf_counter() - begun)
    return {
        "size": design.size,
        "mmacs": [min(m for m, _ in macs) / 1e6, max(m for m, _ in macs) / 1e6],
        "max_difference_extracted": max(alike),
        "max_difference_macs": max(abs(a - b) for a, b in macs),
        **_summary(proofs),
        "checkpoint_tensors": _round_trip(key["space"], data),
        "wall_s": round(time.perf_counter() - begun, 1),
    }


def _shaken(supernet: Supernet) -> Supernet:
    """Statistics and maps of kernels that are not those of a new network."""
    generator = torch.Generator().manual_seed(SEED)
    for name, tensor in supernet.module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith("running_mean"):
            tensor.normal_(generator=generator)
        elif "matrix" in name:
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    supernet.module.eval()
    return supernet


def _difference(supernet: Supernet, network: Network, architecture: Architecture) -> float:
    x = torch.from_numpy(_images(2, supernet.space.design.size, seed=1))
    supernet.activate(architecture)
    with torch.no_grad():
        active, extracted = supernet.forward(x), network(x)
    assert float(active.std()) > 0
    return float((active - extracted).abs().max())


def _counted_macs(network: Network, size: int) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, size, size))
    return counter.get_total_flops() // 2


def _proof(network: Network, size: int, exporter: Any) -> dict[str, float]:
    """How an exported subnet differs from torch at both batch sizes."""
    x = _images(sum(BATCHES), size, seed=2)
    _decide(network, _images(16, size, seed=3))
    exported = export_member(
        SourceModel(spec="subnet", build=lambda: network),
        input_shape=x.shape[1:],
        exporter=exporter,
    )
    session = _session(exported)
    exact = _in_float64(network)
    differences, roundings, n_flips, labels, largest = [], [], 0, [], 1.0
    for batch in np.split(x, [BATCHES[0]]):
        logits = exported.raw(batch)
        expected = torch.from_numpy(logits).softmax(dim=1).numpy()
        (got,) = session.run(["probabilities"], {"input": batch})
        differences.append(float(abs(got - expected).max()))
        n_flips += int((got.argmax(axis=1) != expected.argmax(axis=1)).sum())
        labels += expected.argmax(axis=1).tolist()
        largest = max(largest, float(abs(logits).max()))
        roundings.append(float(abs(exact(batch) - expected).max()))
    worst = max(differences)
    return {
        "rounding": max(roundings),
        "difference": worst,
        "ratio": worst / (TOLERANCE * largest),
        "excess": worst / max(TOLERANCE * largest, ROUNDINGS * max(roundings)),
        "flips": n_flips,
        "n_labels": len(set(labels)),
    }


def _in_float64(network: Network) -> Callable[[np.ndarray], np.ndarray]:
    """Probabilities by the same network in double precision."""
    double = copy.deepcopy(network).double().eval()

    def answer(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return double(torch.from_numpy(x).double()).softmax(dim=1).numpy()

    return answer


def _decide(network: Network, x: np.ndarray) -> None:
    """Statistics of the images x, and a head under which they get different labels."""
    samples = torch.from_numpy(x)
    labels = torch.zeros(len(x), dtype=torch.int64)
    table = SampleTable(x=samples, label=labels, n_classes=N_CLASSES, preprocessing=None)
    recalibrate(network, SubnetEvaluator(calibration=table, batch_size=8))
    with torch.no_grad():
        logits = network(samples)
        network.classifier.weight *= LOGIT_SPREAD / (logits - logits.mean(dim=0)).std()
        network.classifier.bias -= network(samples).mean(dim=0)


def _session(exported: ExportedModel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(
        exported.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _summary(proofs: Sequence[dict[str, float]]) -> dict[str, Any]:
    return {
        "max_difference_exported": max(proof["difference"] for proof in proofs),
        "max_difference_float32_float64": max(proof["rounding"] for proof in proofs),
        "max_ratio_to_tolerance": max(proof["ratio"] for proof in proofs),
        "max_excess": max(proof["excess"] for proof in proofs),
        "n_beyond_tolerance": sum(proof["ratio"] > 1 for proof in proofs),
        "label_flips": sum(proof["flips"] for proof in proofs),
        "labels_compared": len(proofs) * sum(BATCHES),
        "fewest_different_labels": min(proof["n_labels"] for proof in proofs),
    }


def _round_trip(name: str, data: Path) -> int:
    """Tensors that a file with the published names and shapes gives back, each exactly."""
    n_classes = N_CLASSES if name in SMALL else 1000
    generator = torch.Generator().manual_seed(SEED)
    source = make_supernet(name, n_classes=n_classes, seed=1)
    if name in ATTENTIVE:
        shapes = json.loads((data / "nas" / "attentive_nas_state_dict.json").read_text())
        state = {key: _random(shape, generator) for key, shape in shapes.items()}
    else:
        state = source.module.state_dict()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pth.tar"
        torch.save({"state_dict": state}, path)
        supernet = make_supernet(name, n_classes=n_classes, seed=2)
        load_checkpoint(supernet, path)
        torch.save({"state_dict": state | {"foreign": torch.zeros(1)}}, path)
        try:
            load_checkpoint(supernet, path)
        except SourceError:
            pass
        else:
            raise AssertionError("a foreign tensor was taken")
    loaded = supernet.module.state_dict()
    given = [tensor for key, tensor in state.items() if "bn_tracking" not in key]
    pairs = zip(loaded.values(), given, strict=True)
    if name not in ATTENTIVE:
        assert all(torch.equal(a, b) for a, b in pairs)
    else:
        assert sorted(map(_digest, loaded.values())) == sorted(map(_digest, given))
    return len(loaded)


def _random(shape: list[int], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) if shape else torch.tensor(3)


def _digest(tensor: torch.Tensor) -> tuple[list[int], float]:
    return list(tensor.shape), float(tensor.double().sum())


def _published_macs() -> list[dict[str, Any]]:
    space = space_of("attentive-nas")
    rows = []
    for name, (resolution, widths, *texts) in PUBLISHED_SUBNETS.items():
        kernels, expansions, depths = ([int(digit) for digit in text] for text in texts)
        stages = tuple(
            (SubnetBlock(width=w, kernel=k, expansion=e),) * d
            for w, k, e, d in zip(widths[1:-1], kernels, expansions, depths, strict=True)
        )
        architecture = Architecture(
            resolution=resolution, stem=widths[0], stages=stages, head=widths[-1]
        )
        space.encode(architecture)
        macs = macs_of(space.design.recipe(architecture, n_classes=1000))
        rows.append({"name": name, "macs": macs / 1e6, "published": PUBLISHED_MMACS[name]})
    return rows


def _images(n: int, size: int, *, seed: int) -> np.ndarray:
    """Images of coarse and fine noise, each with a spectrum of its own."""
    rng = np.random.default_rng(seed)
    side = size // 8
    coarse = np.kron(rng.normal(0, 1, (n, 3, 8, 8)), np.ones((side, side)))
    fine = rng.normal(0, 1, (n, 3, size, size)) * rng.uniform(0.1, 1, (n, 1, 1, 1))
    return (coarse * rng.uniform(0.2, 1.5, (n, 3, 1, 1)) + fine).astype(np.float32)


def _tell(name: str, index: int, n: int, seconds: float) -> None:
    print(f"{name}: subnet {index + 1} of {n}, {seconds:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
