"""What is possible but hardly meant: each in a sentence that names the likely cause."""

from __future__ import annotations

import numpy as np

from ..class_names import OnNote
from ..intervals import wilson_interval
from .pool import Pool

CAUSES = "classes in another order, another preprocessing, wrong weights or wrong labels?"


def chance_doubt(n_correct: int, n_samples: int, n_classes: int) -> str | None:
    """What there is to say of an accuracy that is that of guessing, or lower; None otherwise.

    That is so where its 95 % interval does not lie above 1 / n_classes. An interval that reaches
    halfway up to 1 says too little for a doubt.
    """
    chance = 1 / n_classes
    low, high = wilson_interval(n_correct, n_samples)
    if n_classes < 2 or low > chance or high >= (1 + chance) / 2:
        return None
    return (
        f"its accuracy {n_correct / n_samples:.4f} ({low:.4f} .. {high:.4f}, n = {n_samples}) is "
        f"no better than guessing among {n_classes} classes ({chance:.4f}): {CAUSES}"
    )


def note_chance(pool: Pool, on_note: OnNote) -> None:
    """Tells which models of a pool are no better than guessing; reads all outputs."""
    for model, output in zip(pool.models, pool.outputs, strict=True):
        n_correct = int(np.count_nonzero(np.argmax(output, axis=1) == pool.label))
        doubt = chance_doubt(n_correct, pool.n_samples, pool.n_classes)
        if doubt is not None:
            on_note(f"{model.name}: {doubt}")
