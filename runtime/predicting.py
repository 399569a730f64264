"""Predicts a whole data set and stores what was predicted."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..data.dataset import Dataset
from ..files import write_atomically
from ..progress import OnProgress, Progress, unheard
from .executor import Prediction, Predictor, joined
from .session import Session

# More take no less time with real networks, and gigabytes of activations.
BATCH_SIZE = 32


def predict(
    predictor: Predictor,
    dataset: Dataset,
    *,
    batch_size: int = BATCH_SIZE,
    what: str = "predicting",
    on_progress: OnProgress = unheard,
) -> Prediction:
    """Predicts every sample of a data set, in order.

    Args:
        predictor: what predicts.
        dataset: the samples; a batch of them is read at a time.
        batch_size: samples in a batch.
        what: of the progress.
        on_progress: hears how many samples are predicted.
    """
    predictions: list[Prediction] = []
    for start in range(0, dataset.n_samples, batch_size):
        rows = np.arange(start, min(start + batch_size, dataset.n_samples), dtype=np.int64)
        predictions.append(predictor(dataset.batch(rows)))
        done, total = int(rows[-1]) + 1, dataset.n_samples
        on_progress(Progress(what=what, done=done, total=total, unit="samples"))
    return joined(predictions)


def outputs_of(session: Session, dataset: Dataset) -> FloatArray:
    """What one member answers to every sample of a data set, float32 [n_samples, n_classes]."""
    view = dataset.view(session.info.reads)
    starts = range(0, dataset.n_samples, BATCH_SIZE)
    rows = [np.arange(s, min(s + BATCH_SIZE, dataset.n_samples), dtype=np.int64) for s in starts]
    return np.concatenate([session.run(view.samples(piece)) for piece in rows])


def save_predictions(prediction: Prediction, path: Path, *, rows: IntArray | None = None) -> None:
    """Writes label [N], stage [N] and probabilities [N, C] as an .npz file, atomically.

    Args:
        prediction: what was predicted.
        path: the file.
        rows: of a part of a data set int64 [N], where its samples stand there; written as `row`.
    """
    part: dict[str, Any] = {} if rows is None else {"row": rows}
    buffer = io.BytesIO()
    np.savez(
        buffer,
        label=prediction.label,
        stage=prediction.stage,
        probabilities=prediction.probabilities,
        **part,
    )
    write_atomically(path, buffer.getvalue())
