"""Runs of Neural Architecture Transfer on the disk: RUN/run.json and RUN/weights.safetensors.

`run.json` (schemas/nat_run.schema.json) says what was run on what, how each round went, and how
the subnets of the last archive did with the weights that lie beside it. It holds no times, so that
a run that was killed and resumed leaves the same bytes as one that never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from ..arrays import DoubleArray, IntArray, frozen
from ..data.preprocessing import Preprocessing
from ..entries import FileEntry
from ..errors import SearchError
from ..files import inside, json_text, sha256_of, write_atomically
from .designs import space_of
from .pretrained import load_checkpoint, make_supernet
from .run_folder import run_content
from .space import Space
from .subnets import genome_of, tensor_bytes
from .supernet import Supernet

FORMAT, VERSION = "encas.nat_run", 1
RUN_FILE, WEIGHTS_FILE = "run.json", "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredSubnet:
    """A subnet, and how it did with the weights of the run.

    Args:
        genome: as `subnets.genome_text` writes it.
        error: share of wrong answers on the search samples, its BatchNorm recalibrated.
        macs: multiply-adds per sample.
        latency_ms: predicted milliseconds per batch, where the run searched for short times.
    """

    genome: str
    error: float
    macs: float
    latency_ms: float | None = None

    @property
    def cost(self) -> float:
        """What the run searched for."""
        return self.macs if self.latency_ms is None else self.latency_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRound:
    """How a round of a run went; round 0 is that of the random subnets.

    Args:
        round: counted from 0.
        n_subnets: in the archive after it.
        loss: mean over the batches of its last epoch; None where no weights were trained.
        tau: Kendall's rank correlation of the errors predicted for new subnets with those measured
            after the round's training; None where none was new.
        rmse: the root of the mean squared difference of the same.
        n_new: subnets that were not in the archive before.
        hypervolume: of the archive's (error, cost), relative to error 1 and the cost of the
            largest subnet, in 0..1.
        best_error: the smallest in the archive.
    """

    round: int
    n_subnets: int
    loss: float | None
    tau: float | None
    rmse: float | None
    n_new: int
    hypervolume: float
    best_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRecord:
    """What a run saw.

    Args:
        train: DATA that its weights were trained on.
        search: DATA that its errors were measured on.
        search_rows: of the latter, where they are a part of it; None: all.
        n_train: samples of `train`.
        n_search: samples that the errors were measured on.
    """

    train: str
    search: str
    search_rows: tuple[int, ...] | None
    n_train: int
    n_search: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What BatchNorm statistics were taken from.

    Args:
        rows: of the training DATA, in order.
        batch_size: they were taken in batches of this size.
        sha256: of the samples' pixels or values, so that other data are noticed.
    """

    rows: tuple[int, ...]
    batch_size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRun:
    """A finished run.

    Args:
        supernet: its name, see designs.py.
        size: side of a sample in pixels.
        n_channels: of a sample.
        n_classes: logits of a sample.
        classes: their names, None where the data have none.
        preprocessing: how an image becomes a sample; None where samples come ready.
        data: what it saw.
        calibration: what the subnets' BatchNorm statistics were taken from.
        seed: of everything random.
        settings: how it was run; for people.
        versions: of what the result could depend on.
        history: its rounds.
        archive: the subnets of the last round, all different.
        front: genomes of the archive: those that a pool is made of, cheapest first.
        weights: the file with all weights of the supernetwork.
        folder: where it lies.
    """

    supernet: str
    size: int
    n_channels: int
    n_classes: int
    classes: tuple[str, ...] | None
    preprocessing: Preprocessing | None
    data: DataRecord
    calibration: Calibration
    seed: int
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    history: tuple[NatRound, ...]
    archive: tuple[ScoredSubnet, ...]
    front: tuple[str, ...]
    weights: FileEntry
    folder: Path

    @classmethod
    def load(cls, folder: Path) -> NatRun:
        """Reads a run; its weights are checked, but not loaded.

        Raises:
            SearchError: it is missing, unfinished or has faults.
        """
        content = run_content(folder, RUN_FILE, schema="nat_run", command="encas nat run")
        run = _run_of(content, folder)
        faults = [
            *_genome_faults(run),
            *_cost_faults(run, content.get("cost", run.cost)),
            *_weight_faults(run),
        ]
        if faults:
            raise SearchError(*faults[:20], where=str(folder / RUN_FILE))
        return run

    @property
    def space(self) -> Space:
        """The search space."""
        return space_of(self.supernet, size=self.size, n_channels=self.n_channels)

    def genomes(self, texts: Sequence[str]) -> IntArray:
        """Genomes from their texts, int64 [n, n_genes]."""
        space = self.space
        return np.stack([genome_of(text, space) for text in texts])

    @property
    def cost(self) -> Literal["macs", "latency_ms"]:
        """What its subnets were searched for; all of the archive have it."""
        return "macs" if self.archive[0].latency_ms is None else "latency_ms"

    @property
    def points(self) -> DoubleArray:
        """Error and cost of the archive, float64 [n, 2]."""
        return frozen(np.array([(s.error, s.cost) for s in self.archive], np.float64))

    def scored(self, genome: str) -> ScoredSubnet:
        """The subnet of the archive that has this genome."""
        return next(subnet for subnet in self.archive if subnet.genome == genome)

    def open_supernet(self) -> Supernet:
        """The supernetwork with the weights of the run, on the CPU."""
        supernet = make_supernet(
            self.supernet, n_classes=self.n_classes, size=self.size, n_channels=self.n_channels
        )
        load_checkpoint(supernet, self.folder / self.weights.file)
        supernet.module.eval()
        return supernet


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> FileEntry:
    """Writes the weights of a supernetwork into a run's folder, atomically."""
    path = folder / WEIGHTS_FILE
    write_atomically(path, tensor_bytes(weights))
    return FileEntry(file=WEIGHTS_FILE, sha256=sha256_of(path), bytes=path.stat().st_size)


def write_run(run: NatRun) -> None:
    """Writes a run's `run.json`, atomically; its weights must lie beside it already."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "supernet": {
            "name": run.supernet,
            "size": run.size,
            "n_channels": run.n_channels,
            "n_classes": run.n_classes,
        },
        "classes": None if run.classes is None else list(run.classes),
        "preprocessing": None if run.preprocessing is None else run.preprocessing.to_json(),
        "data": asdict(run.data),
        "calibration": asdict(run.calibration),
        "seed": run.seed,
        "cost": run.cost,
        "settings": dict(run.settings),
        "versions": dict(run.versions),
        "history": [asdict(each) for each in run.history],
        "archive": [asdict(each) for each in run.archive],
        "front": list(run.front),
        "weights": asdict(run.weights),
    }
    write_atomically(run.folder / RUN_FILE, json_text(content))


def _run_of(content: Mapping[str, Any], folder: Path) -> NatRun:
    shape, calibration = content["supernet"], content["calibration"]
    steps, data = content["preprocessing"], content["data"]
    rows = data["search_rows"]
    where = str(folder / RUN_FILE)
    return NatRun(
        supernet=shape["name"],
        size=shape["size"],
        n_channels=shape["n_channels"],
        n_classes=shape["n_classes"],
        classes=None if content["classes"] is None else tuple(content["classes"]),
        preprocessing=None if steps is None else Preprocessing.of(steps, where=where),
        data=DataRecord(**data | {"search_rows": None if rows is None else tuple(rows)}),
        calibration=Calibration(**calibration | {"rows": tuple(calibration["rows"])}),
        seed=content["seed"],
        settings=content["settings"],
        versions=content["versions"],
        history=tuple(NatRound(**each) for each in content["history"]),
        archive=tuple(ScoredSubnet(**each) for each in content["archive"]),
        front=tuple(content["front"]),
        weights=FileEntry(**content["weights"]),
        folder=folder,
    )


def _genome_faults(run: NatRun) -> list[str]:
    space, faults = run.space, list[str]()
    for subnet in run.archive:
        try:
            genome_of(subnet.genome, space)
        except SearchError as cause:
            faults += [f"archive: {fault}" for fault in cause.faults]
    known = [subnet.genome for subnet in run.archive]
    if len(set(known)) < len(known):
        faults.append("archive: a subnet is in it twice")
    return faults + [f"front: {text} is not in the archive" for text in set(run.front) - set(known)]


def _cost_faults(run: NatRun, stated: str) -> list[str]:
    """Costs of two units in one archive would be compared with each other."""
    n_timed = sum(subnet.latency_ms is not None for subnet in run.archive)
    if n_timed == (len(run.archive) if stated == "latency_ms" else 0):
        return []
    return [f"cost is {stated}, but {n_timed} of {len(run.archive)} subnets have a latency_ms"]


def _weight_faults(run: NatRun) -> list[str]:
    path = inside(run.folder, run.weights.file, error=SearchError)
    if not path.is_file():
        return [f"{run.weights.file} is missing"]
    if path.stat().st_size != run.weights.bytes or sha256_of(path) != run.weights.sha256:
        return [f"{run.weights.file} is not the file that the run wrote: its hash differs"]
    return []
