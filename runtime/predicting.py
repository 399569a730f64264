"""Predicts a whole data set and stores what was predicted."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..arrays import frozen
from ..files import write_atomically
from .dataset import Dataset
from .executor import Prediction, Predictor, StageWork

BATCH_SIZE = 256


def predict(
    predictor: Predictor,
    dataset: Dataset,
    *,
    batch_size: int = BATCH_SIZE,
    on_rows: Callable[[int], object] = lambda _n: None,
) -> Prediction:
    """Predicts every sample of a data set, in order.

    Args:
        predictor: what predicts.
        dataset: the samples; a batch of them is read at a time.
        batch_size: samples in a batch.
        on_rows: is told how many samples are done.
    """
    done = 0
    predictions: list[Prediction] = []
    for batch in dataset.batches(batch_size):
        predictions.append(predictor(batch))
        done += len(batch)
        on_rows(done)
    return Prediction(
        label=frozen(np.concatenate([p.label for p in predictions])),
        stage=frozen(np.concatenate([p.stage for p in predictions])),
        probabilities=frozen(np.concatenate([p.probabilities for p in predictions])),
        work=_total([p.work for p in predictions]),
    )


def save_predictions(prediction: Prediction, path: Path) -> None:
    """Writes label [N], stage [N] and probabilities [N, C] as an .npz file, atomically."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        label=prediction.label,
        stage=prediction.stage,
        probabilities=prediction.probabilities,
    )
    write_atomically(path, buffer.getvalue())


def _total(works: Sequence[tuple[StageWork, ...]]) -> tuple[StageWork, ...]:
    return tuple(
        StageWork(
            calls=sum(work.calls for work in stage),
            rows=sum(work.rows for work in stage),
            padding=sum(work.padding for work in stage),
        )
        for stage in zip(*works, strict=True)
    )
