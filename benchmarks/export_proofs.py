"""Every export is proven: real ResNets, and eight timm architectures with random weights.

    python benchmarks/export_proofs.py --data ../shared/data --part cifar
    python benchmarks/export_proofs.py --part timm

cifar: the four CIFAR-10 ResNets (ONNX files) in one cascade on 3,000 test images.
timm: random weights, BatchNorm statistics from noise images, the head scaled to logits that decide
    something; two cascades of four members on 48 images of smooth noise, float32, on the CPU.

The export itself holds each member against its model at batches of 1, 3 and 8, and every label and
stage of executor and graph against the stored outputs; here all of it is counted. Prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cifar10 import arguments, machine
from resnets import resnet_pool

from encas.cascade import Cascade, confidence_of, softmax
from encas.data.dataset import Dataset
from encas.data.open_data import open_views
from encas.export.bundle import write_bundle
from encas.export.bundle_options import BundleOptions
from encas.export.member_views import Member, views_of
from encas.export.proofs import Evidence
from encas.jobs.export_front import members_of
from encas.jobs.joined_data import joined_data
from encas.manifest import Manifest
from encas.pools.models.source_model import SourceModel

ARCHITECTURES = (
    ("mobilenetv3_small_050", "efficientnet_b0", "resnet18", "convnext_atto"),
    ("regnetx_002", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
     "eva02_tiny_patch14_224"),
)  # fmt: skip
SHAPE, N_IMAGES, N_CLASSES = (3, 224, 224), 48, 10
LOGIT_SPREAD = 2.0


def main() -> None:
    options = arguments(__doc__, part="cifar")
    torch.set_num_threads(2)
    rows = _cifar(options.data) if options.part == "cifar" else _timm()
    print(json.dumps({**machine(), "torch": torch.__version__, "bundles": rows}, indent=2))
    for row in rows:
        assert (row["label_flips"], row["stage_flips"]) == (0, 0), row
        assert all(member["max_difference"] <= member["tolerance"] for member in row["members"])


def _cifar(data: Path) -> list[dict[str, Any]]:
    pool = resnet_pool(data, "test")
    members = members_of(pool, pool.names)
    dataset = open_views(pool.data, views_of(members).preprocessings)
    cascade = Cascade(members=pool.names, thresholds=(0.8, 0.7, 0.6))
    return [_exported(cascade, members, joined_data(dataset, pool).evidence(pool.names))]


def _timm() -> list[dict[str, Any]]:
    import timm  # noqa: PLC0415 - the other part needs none

    rows = []
    for names in ARCHITECTURES:
        x = _noise(N_IMAGES, seed=1)
        nets = [_net(timm.create_model(name, num_classes=N_CLASSES)) for name in names]
        stored = np.stack([softmax(_logits(net, x)) for net in nets])
        means = np.cumsum(stored, axis=0) / np.arange(1, len(nets) + 1)[:, None, None]
        levels = [float(np.median(confidence_of(m, "max_probability"))) for m in means[:-1]]
        cascade = Cascade(members=names, thresholds=tuple(round(level, 2) for level in levels))
        members = [
            Member(name=name, source=SourceModel(spec=f"timm:{name}", build=lambda net=net: net))
            for name, net in zip(names, nets, strict=True)
        ]
        rows.append(_exported(cascade, members, _evidence(x, stored)))
    return rows


def _net(net: torch.nn.Module) -> torch.nn.Module:
    """Random weights under which a network tells its images apart."""
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = None
    with torch.no_grad():
        net.train()
        for seed in (2, 3):
            net(torch.from_numpy(_noise(16, seed=seed)))
        net.eval()
        head = net.get_classifier()
        logits = _logits(net, _noise(16, seed=4))
        head.weight *= LOGIT_SPREAD / float((logits - logits.mean(axis=0)).std())
        head.bias -= torch.from_numpy(_logits(net, _noise(16, seed=4)).mean(axis=0))
    return net


def _logits(net: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.concatenate(
            [net(torch.from_numpy(x[i : i + 16])).numpy() for i in range(0, len(x), 16)]
        )


def _noise(n: int, *, seed: int) -> np.ndarray:
    """Images of coarse and fine noise, each with a spectrum of its own."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.normal(0, 1, (n, 3, 14, 14)), np.ones((16, 16)))
    fine = rng.normal(0, 1, (n, *SHAPE)) * rng.uniform(0.1, 1, (n, 1, 1, 1))
    return (coarse * rng.uniform(0.2, 1.5, (n, 3, 1, 1)) + fine).astype(np.float32)


def _evidence(x: np.ndarray, stored: np.ndarray) -> Evidence:
    label = stored[-1].argmax(axis=1).astype(np.int64)
    dataset = Dataset(
        name="noise", label=label, sample_shape=SHAPE, dtype="float32", read=lambda rows: x[rows]
    )
    return Evidence(
        dataset=dataset,
        label=label,
        outputs=lambda j, rows: stored[j, rows],
        against="torch's own outputs",
    )


def _exported(cascade: Cascade, members: Sequence[Member], evidence: Evidence) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        manifest: Manifest = write_bundle(
            Path(folder) / "bundle",
            cascade,
            members,
            evidence=evidence,
            options=BundleOptions(exporter="dynamo"),
            on_progress=lambda step: print(step.text, file=sys.stderr),
        )
    return {
        "cascade": cascade.members,
        "thresholds": cascade.thresholds,
        "n_samples": evidence.dataset.n_samples,
        "subjects": [proof.subject for proof in manifest.proof],
        "label_flips": sum(proof.n_label_flips for proof in manifest.proof),
        "stage_flips": sum(proof.n_stage_flips for proof in manifest.proof),
        "members": [
            {
                "name": one.name,
                "max_difference": one.max_difference,
                "tolerance": one.tolerance,
                "top1_flips": one.n_top1_flips,
            }
            for one in manifest.numerics
        ],
    }


if __name__ == "__main__":
    main()
