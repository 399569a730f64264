"""Contenders as the compiled functions take them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray
from ..cascade import Confidence
from .contenders import Contenders

KINDS: dict[Confidence, int] = {"max_probability": 0, "margin": 1, "logit_gap": 2}


class Source(NamedTuple):
    """What the compiled functions read; see `Contenders`."""

    n_models: int
    n_samples: int
    block: int
    values: FloatArray
    start: IntArray
    classes: IntArray
    flat_chunk: IntArray
    flat_row: IntArray
    flat_values: FloatArray
    label: IntArray
    kind: int


def source_of(contenders: Contenders, confidence: Confidence) -> Source:
    """The compiled functions' view of contenders."""
    arrays = (
        contenders.values,
        contenders.start,
        contenders.classes,
        contenders.flat_chunk,
        contenders.flat_row,
        contenders.flat_values,
        contenders.label,
    )
    plain = []
    for array in arrays:
        view = np.asarray(array).view()
        view.flags.writeable = False
        plain.append(view)
    return Source(
        contenders.n_models,
        contenders.n_samples,
        contenders.block,
        *plain,
        KINDS[confidence],  # pyright: ignore[reportCallIssue]
    )
