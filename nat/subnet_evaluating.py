"""How subnets do: BatchNorm statistics of their own, then their answers and errors.

The shared weights carry the statistics of no subnet in particular; each extracted subnet takes its
own from a few training batches.

Source: H. Cai, C. Gan, T. Wang, Z. Zhang, S. Han, "Once-for-All", ICLR 2020, arXiv 1908.09791;
J. Yu, T. Huang, "Universally Slimmable Networks", ICCV 2019, arXiv 1903.05134, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..arrays import DoubleArray, FloatArray, IntArray
from ..data.data_source import DataSource
from ..data.open_source import open_source
from ..errors import DataError
from ..pools.models.run_settings import Precision
from ..sample_identity import array_hash
from .learning import autocast
from .nat_runs import NatRun
from .nat_settings import NatSettings
from .recipe import macs_of
from .sample_table import SampleTable, table_of
from .space import Space
from .subnet_network import Network
from .supernet import Supernet

EVALUATION_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SubnetEvaluator:
    """Extracts subnets, gives them their statistics, and asks them.

    Args:
        calibration: training samples that the statistics come from, on the device to run on.
        batch_size: of those samples; they are in this order every time.
        precision: of the arithmetic.
    """

    calibration: SampleTable
    batch_size: int
    precision: Precision = "float32"

    def calibrated(self, supernet: Supernet, genome: IntArray) -> Network:
        """The subnet of a genome [n_genes] with statistics of its own, ready to answer."""
        network = supernet.extract(supernet.space.decode(genome))
        network.to(self.calibration.x.device)
        recalibrate(network, self)
        return network

    def logits(self, network: Network, table: SampleTable) -> FloatArray:
        """A calibrated subnet's answers to all samples, float32 [n, n_classes]."""
        answers: list[FloatArray] = []
        with torch.inference_mode(), autocast(table.x.device, self.precision):
            for x in table.batches(EVALUATION_BATCH):
                answers.append(network(x).float().cpu().numpy())
        return np.concatenate(answers)


def recalibrate(network: nn.Module, evaluator: SubnetEvaluator) -> None:
    """Replaces the statistics of all BatchNorms by means over the calibration batches."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # every batch counts the same
    network.train()
    table = evaluator.calibration
    with torch.no_grad(), autocast(table.x.device, evaluator.precision):
        for x in table.batches(evaluator.batch_size):
            network(x)
    network.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def error_of(logits: FloatArray, table: SampleTable) -> float:
    """The share of wrong answers."""
    return float((logits.argmax(axis=1) != table.label.cpu().numpy()).mean())


def macs_of_genomes(space: Space, genomes: IntArray, *, n_classes: int) -> DoubleArray:
    """Multiply-adds per sample of each of the genomes [n, n_genes], float64 [n], exact."""
    design = space.design
    recipes = (design.recipe(space.decode(g), n_classes=n_classes) for g in genomes)
    return np.array([macs_of(recipe) for recipe in recipes], np.float64)


def samples_hash(table: SampleTable) -> str:
    """The SHA-256 of a table's samples, as they are stored."""
    return array_hash(table.x.cpu().numpy())


def evaluator_on(calibration: SampleTable, settings: NatSettings) -> SubnetEvaluator:
    """What evaluates subnets within a run, by samples to take their statistics from."""
    return SubnetEvaluator(
        calibration=calibration,
        batch_size=settings.calibration_batch_size,
        precision=settings.training.precision,
    )


def evaluator_of(run: NatRun, *, data: str | None = None) -> SubnetEvaluator:
    """What gave the subnets of a run their statistics, on the CPU: they get the same ones again.

    Args:
        run: a finished run.
        data: the training DATA where they lie elsewhere now.

    Raises:
        DataError: the data are gone, or others than the run's.
    """
    source = _rows_of(data or run.data.train, run.calibration.rows, run)
    table = table_of(source, run.preprocessing)
    if samples_hash(table) != run.calibration.sha256:
        raise DataError(f"not the data that {run.folder} was trained on", where=source.name)
    return SubnetEvaluator(calibration=table, batch_size=run.calibration.batch_size)


def search_source(run: NatRun) -> DataSource:
    """The samples that the errors of a run were measured on.

    Raises:
        DataError: the data are gone, or fewer than they were.
    """
    if run.data.search_rows is None:
        return open_source(run.data.search)
    return _rows_of(run.data.search, run.data.search_rows, run)


def _rows_of(data: str, rows: Sequence[int], run: NatRun) -> DataSource:
    source = open_source(data)
    if max(rows) >= source.n_samples:
        fault = f"expected at least {max(rows) + 1} samples, got {source.n_samples}"
        raise DataError(f"{fault}: not the data of {run.folder}", where=data)
    return source.take(np.array(rows, np.int64))
