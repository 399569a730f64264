"""Temperatures: one number for each classifier that makes its confidence honest on a split.

Source: C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks",
ICML 2017, arXiv 1706.04599, section 4.2.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, IntArray
from ..class_names import OnNote, unnoted
from ..errors import PoolError
from ..progress import OnProgress, counted, unheard
from .pool import Pool
from .pool_check import check_outputs

# Inverse temperatures that are looked at; a fit at an end means that the outputs are degenerate.
SCALES = (1e-2, 1e2)
LOWEST, HIGHEST = 1 / SCALES[1], 1 / SCALES[0]
# A fit this close to an end is at the end.
NEAR = 1.01
BISECTIONS = 60


def fit_temperatures(
    pool: Pool, *, on_note: OnNote = unnoted, on_progress: OnProgress = unheard
) -> tuple[float, ...]:
    """The temperature of each classifier that minimises the log loss on the pool's samples.

    Fit on the search split; carry the result to other splits with `temperatures_like`.

    Args:
        pool: the stored outputs.
        on_note: hears of fits at an end of the range, and why that may be.
        on_progress: hears how many models are done.

    Raises:
        PoolError: stored outputs are not those that were hashed.
    """
    check_outputs(pool)
    temperatures: list[float] = []
    names = counted(pool.names, what="calibrating", unit="models", on_progress=on_progress)
    for index, name in enumerate(names):
        model = pool[name]
        stored = np.asarray(pool.outputs[index], np.float32)
        if model.kind == "probabilities":
            stored = np.log(np.maximum(stored, np.finfo(np.float32).tiny))
        temperature = _fit(stored, pool.label)
        temperatures.append(temperature)
        if not LOWEST * NEAR < temperature < HIGHEST / NEAR:
            on_note(f"{name}: {_end_text(temperature)}")
    return tuple(temperatures)


def temperatures_like(pool: Pool, calibrated: Pool) -> tuple[float, ...]:
    """The temperatures that the same classifiers have in another pool.

    Raises:
        PoolError: the other pool lacks a classifier.
    """
    lacking = [name for name in pool.names if name not in calibrated.names]
    if lacking:
        fault = f"{len(lacking)} models are not in pool {calibrated.name} (first: {lacking[0]})"
        raise PoolError(fault, where=f"pool {pool.name}")
    return tuple(calibrated.models[calibrated.index(name)].temperature for name in pool.names)


def _end_text(temperature: float) -> str:
    if temperature < 1:
        return (
            f"temperature {temperature:.3f} is the end of the range, no fit: a model that is right "
            "on every sample would always rather be surer (too few samples, or those it was "
            "trained on?), or its outputs hardly differ (probabilities stored as logits?)"
        )
    return (
        f"temperature {temperature:.3f} is the end of the range, no fit: its confidence says "
        "nothing about who is right (classes in another order, wrong weights or wrong labels?)"
    )


def _fit(logits: FloatArray, label: IntArray) -> float:
    """Bisects the slope of the log loss in 1 / temperature, in which it is convex."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    true = shifted[np.arange(len(label)), label].mean()
    low, high = np.log(SCALES)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        weights = np.exp(shifted * np.exp(middle))
        expected = (weights * shifted).sum(axis=1) / weights.sum(axis=1)
        low, high = (low, middle) if expected.mean() > true else (middle, high)
    return float(np.exp(-(low + high) / 2))
