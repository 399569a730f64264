"""A pool's models in another precision: new models, with stored outputs of their own."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..class_names import OnNote, unnoted
from ..data.dataset import Dataset
from ..data.open_data import open_views
from ..entries import INPUT
from ..errors import ExportError, PoolError
from ..export.member_proofs import in_mixed_batches
from ..export.member_views import (
    Member,
    input_dtypes,
    input_shapes,
    preprocessing_json,
    preprocessing_of,
    views_of,
)
from ..export.onnx_export import Exporter, export_member
from ..export.onnx_model import save_model
from ..export.precision import PRECISIONS, Precision, converted
from ..export.proofs import TOLERANCE, proof_rows
from ..files import json_text
from ..pools.model import Model
from ..pools.models.specs import SIDECAR
from ..pools.pool import Pool
from ..pools.pool_samples import moved_models
from ..progress import OnProgress, counted, unheard
from ..runtime.ort_session import OrtSession
from ..runtime.placement import DEFAULT_PLACEMENT, Placement
from ..runtime.predicting import outputs_of
from .export_front import members_of
from .joined_data import joined_data

MODELS = "models"
CALIBRATION_BATCH = 32
ENDINGS = {precision: f"-{precision}" for precision in PRECISIONS}
KEPT_COSTS = ("macs", "params")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeRequest:
    """What a user asks for.

    Args:
        names: the models; empty: all of the pool that were not converted before.
        precision: what they are converted to.
        calibrate: DATA that int8 scales are taken from, "" where none was given.
        n_calibration: how many of its samples.
        data: what the pool was built on, "" where the pool says it.
        exporter: for torch models.
        placement: where the new outputs are computed.
    """

    names: tuple[str, ...] = ()
    precision: Precision
    calibrate: str = ""
    n_calibration: int = 256
    data: str = ""
    exporter: Exporter = "dynamo"
    placement: Placement = DEFAULT_PLACEMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """A new model beside the one that it was made of.

    Args:
        name, original: their names.
        accuracy, original_accuracy: on the pool's samples.
        top1_agreement: share of the samples with the same answer.
        max_difference: the largest difference of a probability.
        file_bytes: of the new model.
    """

    name: str
    original: str
    accuracy: float
    original_accuracy: float
    top1_agreement: float
    max_difference: float
    file_bytes: int


def quantize_pool(
    folder: Path,
    out: Path,
    request: QuantizeRequest,
    *,
    overwrite: bool = False,
    on_note: OnNote = unnoted,
    on_progress: OnProgress = unheard,
) -> tuple[Pool, tuple[Quantized, ...]]:
    """Writes a pool with the models of an older one and new ones in another precision.

    Raises:
        PoolError: a model is not in the pool, has been converted already, or the pool does not say
            what it was built on.
        ExportError: a model cannot be converted, or what it answers depends on the batch.
        DataError: the data is not what the pool was built on.
    """
    pool = Pool.load(folder)
    data = request.data or pool.data
    if not data:
        raise PoolError(
            "the pool does not say what it was built on; give --data DATA", where=str(folder)
        )
    names = request.names or [n for n in pool.names if not n.endswith(tuple(ENDINGS.values()))]
    new_names = [name + ENDINGS[request.precision] for name in names]
    doubles = [name for name in new_names if name in pool.names]
    if doubles:
        raise PoolError(f"has {', '.join(doubles)} already", where=f"pool {pool.name}")
    outputs, models, found = list(pool.outputs), list(moved_models(pool, out)), []
    with tempfile.TemporaryDirectory(prefix="encas-") as made:
        what, members = f"converting to {request.precision}", members_of(pool, names)
        for member in counted(members, what=what, unit="models", on_progress=on_progress):
            answers, path = _converted(member, Path(made), request, data, pool, on_note)
            model = _model_of(pool.models[pool.index(member.name)], request.precision, path)
            found.append(_compared(pool, member.name, model.name, answers, path))
            outputs.append(answers)
            models.append(model)
        stored = replace(
            Pool.of(
                outputs=outputs,
                label=pool.label,
                models=models,
                name=pool.name,
                classes=pool.classes,
                data=data,
            ),
            samples=pool.samples,
            held_out=pool.held_out,
        ).save(out, overwrite=overwrite)
        shutil.copytree(made, out / MODELS)
    return stored, tuple(found)


def _converted(
    member: Member,
    folder: Path,
    request: QuantizeRequest,
    data: str,
    pool: Pool,
    on_note: OnNote,
) -> tuple[NDArray[np.float32], Path]:
    """The new model's answers to the pool's data, and its file with all that stands beside it."""
    views = views_of([member])
    preprocessings, dtypes = views.preprocessings, input_dtypes([member], views)
    opened = open_views(data, preprocessings)
    joined = joined_data(opened, pool, is_whole=True, on_note=on_note)
    dataset = joined.dataset.as_types(dtypes)
    shape = input_shapes([member], views, dataset)[INPUT]
    exported = export_member(
        member.source,
        input_shape=shape,
        temperature=member.temperature,
        exporter=request.exporter,
    )
    batches: list[NDArray[Any]] = []
    if request.precision == "int8" and request.calibrate:
        samples = open_views(request.calibrate, preprocessings).as_types(dtypes)
        batches = _calibration(samples, request.n_calibration)
    path = folder / f"{_file_name(member.name)}{ENDINGS[request.precision]}.onnx"
    save_model(converted(exported.model, request.precision, batches), path)
    preprocessing = preprocessing_json(preprocessing_of(member))
    if preprocessing is not None:
        path.with_name(path.name + SIDECAR).write_text(json_text(preprocessing))
    session = OrtSession(
        path,
        name=path.stem,
        input_shape=shape,
        n_classes=exported.n_classes,
        placement=request.placement,
    )
    _prove(session, dataset)
    return outputs_of(session, dataset), path


def _prove(session: OrtSession, dataset: Dataset) -> None:
    """Does nothing if a sample's answer does not depend on the batch that it comes in."""
    samples = dataset.samples(proof_rows(dataset.n_samples))
    difference = float(abs(session.run(samples) - in_mixed_batches(session, samples)).max())
    if not difference <= TOLERANCE:
        raise ExportError(
            f"its probabilities depend on the size of the batch by {difference:.3g}, more than "
            f"{TOLERANCE:g}",
            where=session.info.name,
        )


def _calibration(dataset: Dataset, n_samples: int) -> list[NDArray[Any]]:
    rows = np.random.default_rng(0).permutation(dataset.n_samples)[:n_samples].astype(np.int64)
    pieces = (rows[i : i + CALIBRATION_BATCH] for i in range(0, len(rows), CALIBRATION_BATCH))
    return [dataset.samples(piece) for piece in pieces]


def _model_of(original: Model, precision: Precision, path: Path) -> Model:
    """The record of a new model: multiply-adds and parameters are as many, other costs are not."""
    return Model(
        name=original.name + ENDINGS[precision],
        kind="probabilities",
        costs={name: original.costs[name] for name in KEPT_COSTS if name in original.costs},
        source=f"onnx:{MODELS}/{path.name}",
    )


def _compared(
    pool: Pool, original: str, name: str, answers: NDArray[np.float32], path: Path
) -> Quantized:
    before = pool.probabilities(pool.index(original))
    old, new = before.argmax(axis=1), answers.argmax(axis=1)
    files: Sequence[Path] = list(path.parent.glob(f"{path.name}*"))
    return Quantized(
        name=name,
        original=original,
        accuracy=float((new == pool.label).mean()),
        original_accuracy=float((old == pool.label).mean()),
        top1_agreement=float((old == new).mean()),
        max_difference=float(abs(before - answers).max()),
        file_bytes=sum(file.stat().st_size for file in files if SIDECAR not in file.name),
    )


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:80] or "model"
