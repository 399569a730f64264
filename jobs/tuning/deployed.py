"""Stored outputs against what the deployed provider really answers.

TF32, float16 and int8 move probabilities by 1e-3 and more (onnxruntime #19288): a cascade that was
searched on other numbers exits elsewhere than the search believed. Where that is so, the outputs
are computed again where the cascade will run, and the search goes on with these.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...arrays import FloatArray
from ...data.dataset import Dataset
from ...export.proofs import TOLERANCE, storage_margin
from ...pools.model import Model
from ...pools.pool import Pool
from ...pools.pool_samples import moved_models
from ...progress import OnProgress, counted, unheard
from ...runtime.predicting import outputs_of
from ...runtime.session import Session

CHECKED_SAMPLES = 256

Open = Callable[[str], Session]


@dataclass(frozen=True, slots=True, kw_only=True)
class Numerics:
    """How far a model's answers are from the stored ones.

    Args:
        name: the model.
        max_difference: the largest difference of a probability.
        tolerance: what rounding explains.
        n_samples: how many samples were compared.
    """

    name: str
    max_difference: float
    tolerance: float
    n_samples: int

    @property
    def agrees(self) -> bool:
        """Whether rounding explains the difference."""
        return self.max_difference <= self.tolerance


def compared(pool: Pool, name: str, session: Session, dataset: Dataset) -> Numerics:
    """Runs a model on some samples, spread over a pool's data, and compares.

    Args:
        pool: the stored outputs.
        name: the model.
        session: runs it where it will be deployed.
        dataset: what the pool was built on.
    """
    n_samples = min(CHECKED_SAMPLES, dataset.n_samples)
    rows = np.linspace(0, dataset.n_samples - 1, n_samples).astype(np.int64)
    index = pool.index(name)
    stored = pool.probabilities(index, rows)
    answers = session.run(dataset.view(session.info.reads).samples(rows))
    output, model = pool.outputs[index], pool.models[index]
    scale = float(abs(np.asarray(output[rows], np.float32)).max()) if model.kind == "logits" else 1
    difference = float(abs(answers - stored).max())
    return Numerics(
        name=name,
        max_difference=difference if np.isfinite(difference) else 1.0,
        tolerance=TOLERANCE * max(1.0, scale) + storage_margin(str(output.dtype), model.kind),
        n_samples=n_samples,
    )


def recomputed(
    pool: Pool,
    names: Sequence[str],
    open_model: Open,
    dataset: Dataset,
    out: Path,
    *,
    on_progress: OnProgress = unheard,
) -> Pool:
    """The pool with the outputs of some models as they are where they run.

    Args:
        pool: the stored outputs.
        names: the models to run.
        open_model: gives the session of a model.
        dataset: what the pool was built on.
        out: the folder that it will be stored in.
        on_progress: hears how many models have run.
    """
    outputs = list(pool.outputs)
    models = list(moved_models(pool, out))
    what = "computing outputs again"
    for name in counted(names, what=what, unit="models", on_progress=on_progress):
        index = pool.index(name)
        answers = outputs_of(open_model(name), dataset)
        outputs[index], models[index] = _stored(answers, models[index])
    made = Pool.of(
        outputs=outputs,
        label=pool.label,
        models=models,
        name=pool.name,
        classes=pool.classes,
        data=pool.data or dataset.name,
    )
    return replace(made, samples=pool.samples, held_out=pool.held_out)


def _stored(answers: FloatArray, model: Model) -> tuple[FloatArray, Model]:
    """Probabilities, which have the temperature inside, as a pool keeps them."""
    if model.temperature == 1:
        return answers, replace(model, kind="probabilities")
    logits = np.log(np.maximum(answers, np.finfo(np.float32).tiny)) * model.temperature
    return logits.astype(np.float32), replace(model, kind="logits")
