"""What a run works on: the samples to train on, to calibrate with, and to measure errors on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from ..arrays import IntArray
from ..class_names import OnNote, matched_classes, unnoted
from ..data.data_source import DataSource
from ..data.open_source import open_source
from ..data.preprocessing import Preprocessing
from ..data.splits import stratified_order
from ..errors import DataError
from .nat_runs import Calibration, DataRecord
from .nat_settings import NatSettings
from .sample_table import SampleTable, split_rows, table_of
from .subnet_evaluating import samples_hash

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlan:
    """What a user says of the data.

    Args:
        train: DATA to train on.
        search: DATA to measure errors on; None: a part of `train`, which is not trained on.
        search_share: how large that part is.
        n_train: a stratified part of what is left to train on, None for all.
        size: side in pixels that images are made to.
        preprocessing: of images; None: resized to `size`, normalised as for ImageNet.
        download: fetch known data that are not there.
    """

    train: str
    search: str | None = None
    search_share: float = 0.2
    n_train: int | None = None
    size: int = 32
    preprocessing: Preprocessing | None = None
    download: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task:
    """Samples in memory.

    Args:
        train: to train on; where weights are not trained, those to calibrate with.
        search: to measure errors on.
        calibration: what BatchNorm's statistics come from, samples of `train`.
        record: for `run.json`.
        calibrated: likewise.
        preprocessing: of images, None for samples that come ready.
        classes: their names, or None.
    """

    train: SampleTable
    search: SampleTable
    calibration: SampleTable
    record: DataRecord
    calibrated: Calibration
    preprocessing: Preprocessing | None
    classes: tuple[str, ...] | None

    def to(self, device: torch.device) -> Task:
        """The same samples on a device."""
        tables = (self.train, self.search, self.calibration)
        train, search, calibration = (table.to(device) for table in tables)
        return replace(self, train=train, search=search, calibration=calibration)


def open_task(
    plan: DataPlan, settings: NatSettings, *, seed: int, on_note: OnNote = unnoted
) -> Task:
    """Reads the data; the classes of both parts are matched by name.

    Args:
        plan: which.
        settings: how many samples calibrate, and whether the others are needed.
        seed: of all that is drawn.
        on_note: hears how the classes were matched.

    Raises:
        DataError: the data cannot be used, or are too few, or have other classes.
    """
    data = open_source(plan.train, download=plan.download)
    searched = open_source(plan.search, download=plan.download) if plan.search else data
    _check_kind(data, searched)
    if plan.search is not None:
        data, searched = _in_one_order(data, searched, on_note)
    rows = _rows_of(plan, data, settings, seed=seed)
    steps = _preprocessing(plan, data)
    train = table_of(data.take(rows.train), steps)
    search = table_of(searched if rows.search is None else data.take(rows.search), steps)
    train, search = _alike(train, search, searched)
    places = torch.tensor(np.searchsorted(rows.train, rows.calibration))
    calibration = replace(train, x=train.x[places], label=train.label[places])
    return Task(
        train=train,
        search=search,
        calibration=calibration,
        record=DataRecord(
            train=plan.train,
            search=plan.search or plan.train,
            search_rows=None if rows.search is None else tuple(rows.search.tolist()),
            n_train=train.n_samples,
            n_search=search.n_samples,
        ),
        calibrated=Calibration(
            rows=tuple(rows.calibration.tolist()),
            batch_size=settings.calibration_batch_size,
            sha256=samples_hash(calibration),
        ),
        preprocessing=steps,
        classes=data.classes,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rows:
    """Rows of the training DATA, int64 each; `search` is None where other data are searched."""

    train: IntArray
    calibration: IntArray
    search: IntArray | None


def _rows_of(plan: DataPlan, data: DataSource, settings: NatSettings, *, seed: int) -> _Rows:
    order = stratified_order(data.label, rng=np.random.default_rng(seed))
    train, search = np.sort(order), None
    if plan.search is None:
        if not 0 < plan.search_share < 1:
            fault = f"the share to search on must be between 0 and 1, got {plan.search_share:g}"
            raise DataError(fault, where=plan.train)
        train, search = split_rows(data.label, order, plan.search_share)
    if plan.n_train is not None:
        train = np.sort(_part(train, order, plan.n_train, data))
    _check_enough(len(train), settings, data)
    # Not ascending: every batch must have its share of every class.
    calibration = _part(train, order, min(settings.n_calibration, len(train)), data)
    if not settings.trains:
        train = np.sort(calibration)
    return _Rows(train=train, calibration=calibration, search=search)


def _alike(
    train: SampleTable, search: SampleTable, searched: DataSource
) -> tuple[SampleTable, SampleTable]:
    """Both tables with the classes that either has."""
    if search.shape != train.shape:
        shapes = [list(table.x.shape[1:]) for table in (train, search)]
        fault = f"expected samples of shape {shapes[0]}, got {shapes[1]}"
        raise DataError(fault, where=searched.name)
    n_classes = max(train.n_classes, search.n_classes)
    return replace(train, n_classes=n_classes), replace(search, n_classes=n_classes)


def _part(rows: IntArray, order: IntArray, n: int, data: DataSource) -> IntArray:
    """The `n` of the rows that come first in the stratified order, in that order."""
    if not 1 <= n <= len(rows):
        raise DataError(f"expected 1..{len(rows)} samples to train on, got {n}", where=data.name)
    return order[np.isin(order, rows)][:n]


def _check_enough(n: int, settings: NatSettings, data: DataSource) -> None:
    needed = settings.calibration_batch_size
    if settings.trains:
        needed = max(needed, settings.training.batch_size)
    if n < needed:
        fault = f"expected at least a batch of {needed} samples to train on, got {n}"
        raise DataError(fault, where=data.name)


def _check_kind(data: DataSource, searched: DataSource) -> None:
    if data.is_image != searched.is_image:
        kind = "images" if data.is_image else "samples that come ready"
        fault = f"expected {kind}, as in {data.name}"
        raise DataError(fault, where=searched.name)


def _in_one_order(
    data: DataSource, searched: DataSource, on_note: OnNote
) -> tuple[DataSource, DataSource]:
    """Both with the classes of the one that has more, as a rule those to train on."""
    try:
        match = matched_classes(searched.class_names, data.class_names)
    except DataError as cause:
        try:
            match = matched_classes(data.class_names, searched.class_names)
        except DataError:
            raise cause from None
        data = data.matched(match)
    else:
        searched = searched.matched(match)
    if match.note:
        on_note(match.note)
    return data, searched


def _preprocessing(plan: DataPlan, data: DataSource) -> Preprocessing | None:
    if not data.is_image:
        return None
    if plan.preprocessing is not None:
        return plan.preprocessing
    return Preprocessing(size=(plan.size, plan.size), mean=IMAGENET_MEAN, std=IMAGENET_STD)
