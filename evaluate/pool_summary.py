"""What a person wants to know of a pool: every model's accuracy with its interval, and costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..intervals import wilson_interval
from ..pools.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model: top-1 accuracy on the pool's samples with its 95 % Wilson interval, costs."""

    name: str
    accuracy: float
    interval: tuple[float, float]
    costs: Mapping[str, float]
    kind: str
    dtype: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSummary:
    """A pool's models, in the pool's order."""

    name: str
    sha256: str
    n_samples: int
    n_classes: int
    models: tuple[ModelSummary, ...]

    def to_json(self) -> dict[str, Any]:
        """The summary as a JSON object."""
        content = asdict(self) | {"n_models": len(self.models)}
        content["models"] = [asdict(model) for model in self.models]
        return content


def summarise(pool: Pool) -> PoolSummary:
    """The summary of a pool; reads all of its outputs once."""
    models: list[ModelSummary] = []
    for index, (model, n_correct) in enumerate(zip(pool.models, _correct(pool), strict=True)):
        models.append(
            ModelSummary(
                name=model.name,
                accuracy=n_correct / pool.n_samples,
                interval=wilson_interval(n_correct, pool.n_samples),
                costs=dict(model.costs),
                kind=model.kind,
                dtype=str(pool.outputs[index].dtype),
                source=model.source,
            )
        )
    return PoolSummary(
        name=pool.name,
        sha256=pool.sha256,
        n_samples=pool.n_samples,
        n_classes=pool.n_classes,
        models=tuple(models),
    )


def _correct(pool: Pool) -> list[int]:
    """How many samples each model answers rightly."""
    if pool.is_compressed:
        from .evaluator_choice import contenders_of, evaluator_for  # noqa: PLC0415 - extra search

        contenders = contenders_of(pool, max_members=1, confidence="max_probability")
        evaluator = evaluator_for(pool, contenders, confidence="max_probability")
        singles, no_thresholds = np.arange(pool.n_models)[:, None], np.empty((pool.n_models, 0))
        return evaluator.count(singles, no_thresholds.astype(np.int64)).correct.tolist()
    # Softmax keeps the order of logits, so the stored outputs tell the label.
    labels = (np.argmax(output, axis=1) for output in pool.outputs)
    return [int(np.count_nonzero(label == pool.label)) for label in labels]
