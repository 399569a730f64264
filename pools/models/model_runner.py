"""Models of a SPEC, ready to run over samples: `open_runner` gives a `ModelRunner`.

A runner answers the same bytes however many others run beside it: it always works on as many
threads as it was told, and its batch size depends on the model alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from ...arrays import FloatArray
from ...data.preprocessing import Preprocessing
from ...errors import DataError, SourceError
from ...probability_rows import are_probabilities
from .run_settings import RunSettings
from .source_model import SourceModel
from .specs import source_model


class ModelRunner(Protocol):
    """A model that answers."""

    @property
    def kind(self) -> str | None:
        """What its SPEC says it gives: "logits" or "probabilities"; None: its values tell."""
        ...

    @property
    def frozen_batch(self) -> int | None:
        """The only batch size that it takes, None where it takes any."""
        ...

    def costs(self, sample: NDArray[Any]) -> Mapping[str, float]:
        """macs, params and memory_bytes of one sample [1, ...].

        Raises:
            SourceError: they cannot be counted.
        """
        ...

    def run(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> FloatArray:
        """Outputs [n, n_classes] of pixels, or of samples where `preprocessing` is None."""
        ...


def open_runner(spec: str, settings: RunSettings, *, base: Path | None = None) -> ModelRunner:
    """Builds the model of a SPEC on a device.

    Raises:
        EncasError: the model cannot be had, or not run on that device.
    """
    source = source_model(spec, base=base)
    if source.onnx_file is not None:
        from .onnx_runner import OnnxRunner  # noqa: PLC0415 - onnxruntime is optional

        runner: ModelRunner = OnnxRunner(source, settings)
    else:
        from .torch_runner import TorchRunner  # noqa: PLC0415 - torch is optional

        runner = TorchRunner(source, settings)
    if source.columns is None:
        return runner
    return ChosenOutputs(runner, source.columns, where=spec)


class ChosenOutputs:
    """A runner that gives some of a model's outputs; probabilities are divided by their sum.

    Args:
        runner: of the model.
        columns: the outputs, in order.
        where: the SPEC, for errors.
    """

    def __init__(self, runner: ModelRunner, columns: tuple[int, ...], *, where: str) -> None:
        self._runner = runner
        self._columns = columns
        self._where = where
        self.kind = runner.kind
        self.frozen_batch = runner.frozen_batch

    def costs(self, sample: NDArray[Any]) -> Mapping[str, float]:
        """See `ModelRunner.costs`."""
        return self._runner.costs(sample)

    def run(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> FloatArray:
        """See `ModelRunner.run`."""
        outputs = self._runner.run(batch, preprocessing)
        if outputs.ndim == 2 and outputs.shape[1] <= max(self._columns):
            fault = f"expected more than {max(self._columns)} outputs, got {outputs.shape[1]}"
            raise SourceError(fault, where=self._where)
        found = "probabilities" if are_probabilities(outputs) else "logits"
        return chosen_outputs(outputs, self._columns, self.kind or found)


def chosen_outputs(outputs: FloatArray, columns: tuple[int, ...], kind: str) -> FloatArray:
    """The columns of outputs [n, n_outputs]; probabilities are divided by their sum."""
    chosen = outputs[:, list(columns)]
    return chosen / chosen.sum(axis=1, keepdims=True) if kind == "probabilities" else chosen


def preprocessing_of(source: SourceModel, default: Preprocessing | None) -> Preprocessing:
    """The model's own preprocessing, or else the default.

    Raises:
        SourceError: there is neither.
    """
    if source.preprocessing is None:
        if default is None:
            raise SourceError(
                "its preprocessing is not known: give --preprocessing FILE.json, or put "
                "FILE.preprocessing.json beside the model's file",
                where=source.spec,
            )
        return default
    try:
        return Preprocessing.of(source.preprocessing, where=source.spec)
    except DataError as cause:
        raise SourceError(*cause.faults, where=source.spec) from cause
