"""The tensors of a served cascade: names, types and shapes, on any server."""

from __future__ import annotations

from collections.abc import Sequence

from ...cascade import Cascade
from ...entries import InputEntry
from ...manifest import Manifest
from .model_config import FP32, INT64, TYPES, Reshape, TensorConfig

INPUT = "input"
PROBABILITIES = "probabilities"
LABEL = "label"
STAGE = "stage"
CONFIDENCE = "confidence"
OUTPUTS = (PROBABILITIES, LABEL, STAGE, CONFIDENCE)
LABEL_FILE = "classes.txt"


def input_tensors(inputs: Sequence[InputEntry]) -> tuple[TensorConfig, ...]:
    """The inputs of a cascade, one for each preprocessing that its members want."""
    return tuple(
        TensorConfig(name=entry.name, data_type=TYPES[entry.dtype], dims=entry.shape)
        for entry in inputs
    )


def output_tensors(manifest: Manifest, *, is_flat: bool = False) -> tuple[TensorConfig, ...]:
    """The outputs of a bundle's cascade; all but the probabilities are one number per sample.

    Args:
        manifest: of the bundle.
        is_flat: whether the backend gives these numbers as [n] where clients get [n, 1].
    """
    probabilities = TensorConfig(
        name=PROBABILITIES,
        data_type=FP32,
        dims=(manifest.n_classes,),
        label_filename=LABEL_FILE if manifest.classes else None,
    )
    reshape = Reshape(shape=()) if is_flat else None
    return (
        probabilities,
        *(
            TensorConfig(name=name, data_type=data_type, dims=(1,), reshape=reshape)
            for name, data_type in ((LABEL, INT64), (STAGE, INT64), (CONFIDENCE, FP32))
        ),
    )


def thresholds_text(cascade: Cascade) -> str:
    """The thresholds as the parameter `thresholds` has them: numbers between commas."""
    return ",".join(f"{threshold:g}" if _is_short(threshold) else repr(threshold)
                    for threshold in cascade.thresholds)  # fmt: skip


def _is_short(number: float) -> bool:
    return float(f"{number:g}") == number
