"""Runs -> the models of a pool: chosen subnets, each with a file of its own, and samples to ask.

A subnet's weights lie in its run, RUN/subnets/, with the BatchNorm statistics that the run gave it,
so that they are the same model in every pool, in `encas-export`, and after a pool is moved.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..arrays import BoolArray, IntArray
from ..class_names import ClassNames, matched_classes
from ..data.data_source import DataSource
from ..data.open_source import open_source
from ..errors import DataError, SearchError
from ..pools.models.model_requests import ModelRequest
from ..progress import OnProgress, Progress, unheard
from ..sample_identity import is_among
from .joint_runs import JOINT_FILE, JointRun
from .nat_runs import NatRun
from .subnet_evaluating import SubnetEvaluator, evaluator_of, search_source
from .subnets import genome_of, spec_of, subnet_name, write_subnet

SUBNETS_FOLDER = "subnets"
HASH_DIGITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSubnet:
    """A subnet that is to be in a pool.

    Args:
        run: whose it is.
        genome: as `subnets.genome_text` writes it.
        name: in the pool.
    """

    run: NatRun
    genome: str
    name: str

    @property
    def weights(self) -> Path:
        """The file of its weights; it tells which weights of the supernetwork it was cut from."""
        name = f"{self.genome}-{self.run.weights.sha256[:HASH_DIGITS]}.safetensors"
        return self.run.folder / SUBNETS_FOLDER / name

    @property
    def request(self) -> ModelRequest:
        """The model that a pool is built with."""
        space, base = self.run.space, self.run.folder
        spec = spec_of(
            space,
            genome_of(self.genome, space),
            n_classes=self.run.n_classes,
            weights=self.weights,
            base=base,
        )
        return ModelRequest(name=self.name, spec=spec, base=base, classes=self.run.classes)

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from any other model."""
        run = self.run
        return (run.supernet, self.genome, run.weights.sha256, run.calibration.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolingSamples:
    """What the models of a pool are asked about.

    Args:
        data: DATA.
        rows: of the data, for a part of them; None: all.
        source: the samples themselves.
    """

    data: str
    rows: tuple[int, ...] | None
    source: DataSource


def load_runs(folders: Sequence[Path]) -> tuple[NatRun, ...]:
    """Finished runs that can be in one pool; one of ENCAS-joint stands for those of its members.

    Raises:
        SearchError: one of them has faults, comes twice, or has other classes than the first.
    """
    doubles = [p for p, n in Counter(f.resolve() for f in folders).items() if n > 1]
    if doubles:
        raise SearchError(*(f"{folder} is given twice" for folder in doubles))
    runs = tuple(run for folder in folders for run in _runs_of(folder))
    first = runs[0]
    for run in runs[1:]:
        if run.n_classes != first.n_classes:
            fault = f"expected {first.n_classes} classes as in {first.folder}, got {run.n_classes}"
            raise SearchError(fault, where=str(run.folder))
        matched_classes(_class_names(run), _class_names(first), error=SearchError)
    return runs


def chosen_subnets(
    runs: Sequence[NatRun], *, archive: bool = False, limit: int | None = None
) -> tuple[PoolSubnet, ...]:
    """The subnets of the runs' fronts, cheapest first within a run.

    Args:
        runs: finished ones.
        archive: all subnets of the archives instead of the fronts.
        limit: of each run so many at most, spread over the order of their costs.
    """
    subnets = list[PoolSubnet]()
    for run, label in zip(runs, _labels(runs), strict=True):
        genomes = [subnet.genome for subnet in run.archive] if archive else run.front
        ordered = sorted(genomes, key=lambda text: (run.scored(text).cost, text))
        for genome in _spread(ordered, limit):
            name = label + subnet_name(run.space, genome_of(genome, run.space))
            subnets.append(PoolSubnet(run=run, genome=genome, name=name))
    return tuple(subnets)


def distinct_subnets(subnets: Sequence[PoolSubnet]) -> tuple[PoolSubnet, ...]:
    """Those that differ from all before: runs that left the weights alone share some."""
    return tuple({subnet.identity: subnet for subnet in reversed(subnets)}.values())[::-1]


def samples_of(
    runs: Sequence[NatRun], data: str | None, *, train: str | None = None
) -> PoolingSamples:
    """The samples that a pool of the runs is about, checked.

    Args:
        runs: finished ones.
        data: DATA; None: the samples that the runs measured their errors on.
        train: the training DATA of the runs where they lie elsewhere now.

    Raises:
        DataError: the runs have different samples, the subnets do not take such samples, or their
            weights were trained on some of them.
    """
    if data is None:
        samples = _search_samples(runs)
    else:
        samples = PoolingSamples(data=data, rows=None, source=open_source(data))
    for run in runs:
        _check_kind(samples, run)
        if data is not None:
            _refuse_trained(samples, run, train or run.data.train)
    return samples


def write_subnets(
    subnets: Sequence[PoolSubnet],
    *,
    train: str | None = None,
    device: str = "cpu",
    on_progress: OnProgress = unheard,
) -> None:
    """Cuts subnets out of their runs' weights and stores them.

    Args:
        subnets: see `lacking`.
        train: the training DATA of the runs where they lie elsewhere now.
        device: to calibrate on.
        on_progress: hears how many are stored.

    Raises:
        DataError: the samples that BatchNorm's statistics came from are gone.
    """
    n_stored, total, what = 0, len(subnets), "calibrating subnets"
    on_progress(Progress(what=what, total=total, unit="subnets"))
    for run, own in _by_run(subnets):
        evaluator, supernet = _on(evaluator_of(run, data=train), device), run.open_supernet()
        supernet.module.to(torch.device(device))
        for subnet in own:
            network = evaluator.calibrated(supernet, genome_of(subnet.genome, run.space))
            subnet.weights.parent.mkdir(exist_ok=True)
            write_subnet(network, subnet.weights, preprocessing=run.preprocessing)
            n_stored += 1
            on_progress(Progress(what=what, done=n_stored, total=total, unit="subnets"))


def lacking(subnets: Sequence[PoolSubnet]) -> tuple[PoolSubnet, ...]:
    """Those whose weights are not stored yet."""
    return tuple(subnet for subnet in subnets if not subnet.weights.is_file())


def _runs_of(folder: Path) -> tuple[NatRun, ...]:
    if (folder / JOINT_FILE).is_file():
        return JointRun.load(folder).members
    return (NatRun.load(folder),)


def _labels(runs: Sequence[NatRun]) -> list[str]:
    """What names of subnets begin with: nothing, unless a supernetwork has several runs."""
    n_runs = Counter(run.supernet for run in runs)
    names = [re.sub(r"[^A-Za-z0-9.+-]", "-", run.folder.resolve().name) for run in runs]
    n_names = Counter((run.supernet, name) for run, name in zip(runs, names, strict=True))
    labels = list[str]()
    for place, (run, name) in enumerate(zip(runs, names, strict=True), 1):
        unlike = name if n_names[run.supernet, name] == 1 else f"{name}-{place}"
        labels.append("" if n_runs[run.supernet] == 1 else f"{unlike}_")
    return labels


def _spread(ordered: Sequence[str], limit: int | None) -> list[str]:
    if limit is None or limit >= len(ordered):
        return list(ordered)
    places = np.linspace(0, len(ordered) - 1, limit).round().astype(np.int64)
    return [ordered[int(place)] for place in places]


def _search_samples(runs: Sequence[NatRun]) -> PoolingSamples:
    first = runs[0]
    for run in runs[1:]:
        if any(getattr(run.data, k) != getattr(first.data, k) for k in ("search", "search_rows")):
            fault = f"measured its errors on other samples than {first.folder}: give --data"
            raise DataError(fault, where=str(run.folder))
    return PoolingSamples(
        data=first.data.search, rows=first.data.search_rows, source=search_source(first)
    )


def _check_kind(samples: PoolingSamples, run: NatRun) -> None:
    source = samples.source
    faults: list[str] = []
    if source.is_image != (run.preprocessing is not None):
        kinds = ("samples that come ready", "images")
        expected, got = kinds[run.preprocessing is not None], kinds[source.is_image]
        faults.append(f"expected {expected}, as {run.folder} was run on, got {got}")
    elif not source.is_image:
        shape = list(source.dataset(None).sample_shape)
        expected = [run.n_channels, run.size, run.size]
        if shape != expected:
            faults.append(f"expected samples {expected}, as in {run.folder}, got {shape}")
    if run.classes is None and source.n_classes != run.n_classes:
        fault = f"expected {run.n_classes} classes, as in {run.folder}, got {source.n_classes}"
        faults.append(fault)
    if faults:
        raise DataError(*faults, where=samples.data)
    matched_classes(source.class_names, _class_names(run))


def _class_names(run: NatRun) -> ClassNames:
    owner = f"the run {run.folder}"
    return ClassNames(owner=owner, n_classes=run.n_classes, names=run.classes)


def _refuse_trained(samples: PoolingSamples, run: NatRun, train: str) -> None:
    """Lets no pool be of samples that the weights were trained on: cascades would trust them."""
    seen = open_source(train)
    rows = _trained_rows(run, seen.n_samples)
    if max(rows, default=0) >= seen.n_samples:
        fault = f"expected at least {max(rows) + 1} samples: not the data of {run.folder}"
        raise DataError(fault, where=train)
    hashes = seen.take(np.array(rows, np.int64)).sample_hashes()
    known: BoolArray = is_among(samples.source.sample_hashes(), hashes)
    if known.any():
        raise DataError(
            f"{int(known.sum())} of {len(known)} samples are among those that {run.folder} was "
            f"trained on, which its subnets know too well; give others, or no --data for those "
            f"that the run measured its errors on",
            where=samples.data,
        )


def _trained_rows(run: NatRun, n: int) -> IntArray:
    """Rows of the training DATA that weights or statistics may come from."""
    if not (run.settings.get("epochs") or run.settings.get("warm_up_epochs")):
        return np.array(run.calibration.rows, np.int64)
    is_own_part = run.data.search == run.data.train and run.data.search_rows is not None
    apart = run.data.search_rows if is_own_part else ()
    return np.setdiff1d(np.arange(n), np.array(apart, np.int64))


def _by_run(subnets: Sequence[PoolSubnet]) -> Iterator[tuple[NatRun, list[PoolSubnet]]]:
    for folder in dict.fromkeys(subnet.run.folder for subnet in subnets):
        own = [subnet for subnet in subnets if subnet.run.folder == folder]
        yield own[0].run, own


def _on(evaluator: SubnetEvaluator, device: str) -> SubnetEvaluator:
    return replace(evaluator, calibration=evaluator.calibration.to(torch.device(device)))
