"""Runs ONNX files over samples."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray
from ...data.preprocessing import Preprocessing
from ...data.samples import converted
from ...errors import DataError, EncasError, SourceError, whole_text
from ...runtime.device import Device
from ...runtime.ort_opening import NUMPY_TYPES, open_session
from .onnx_batch import EXPORT_AGAIN, thawed_copy
from .onnx_costs import onnx_costs
from .onnx_graph import frozen_batch, load_inlined, training_operators
from .onnx_outputs import with_scores_alone
from .run_settings import RunSettings
from .source_model import SourceModel

FED_TYPES = NUMPY_TYPES | {"tensor(double)": "float64"}
# Two rows of a thawed model and of the file itself agree as far as other batch sizes allow.
SAME = 1e-3


class OnnxRunner:
    """A `ModelRunner` of an ONNX file.

    Args:
        source: names the file.
        settings: where and how it runs.

    Raises:
        SourceError: the file has not one input of samples, has several outputs that may be the
            scores, or was exported in training mode.
        SessionError: ONNX Runtime cannot load it on the device.
    """

    def __init__(self, source: SourceModel, settings: RunSettings) -> None:
        assert source.onnx_file is not None
        self._where = source.spec
        self._settings = settings
        whole = load_inlined(source.onnx_file)
        self._model = with_scores_alone(whole, source.output, where=source.spec)
        self._refuse_training()
        is_whole = self._model is whole
        self._session = self._opened(
            source.onnx_file if is_whole else self._model.SerializeToString()
        )
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = [tensor.name for tensor in inputs]
            raise SourceError(f"expected one input, got {names}", where=source.spec)
        if inputs[0].type not in FED_TYPES:
            raise SourceError(f"cannot feed an input of type {inputs[0].type}", where=source.spec)
        self._input = inputs[0].name
        self._shape: list[Any] = list(inputs[0].shape)
        self._dtype = FED_TYPES[inputs[0].type]
        self.frozen_batch = frozen_batch(self._model)
        self._is_proven = self.frozen_batch is None
        self.kind = source.kind

    def costs(self, sample: NDArray[Any]) -> Mapping[str, float]:
        """See `ModelRunner.costs`."""
        shape = self._shaped(sample).shape[1:]
        return onnx_costs(self._model, tuple(shape), where=self._where)

    def run(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> FloatArray:
        """See `ModelRunner.run`."""
        samples = self._shaped(batch if preprocessing is None else preprocessing.normalised(batch))
        n = len(samples)
        try:
            samples = converted(samples, self._dtype, where=self._where)
        except DataError as cause:
            raise SourceError(*cause.faults, where=self._where) from cause
        if self.frozen_batch is not None and n < self.frozen_batch:
            missing = self.frozen_batch - n
            samples = np.concatenate([samples, np.repeat(samples[-1:], missing, axis=0)])
        outputs = self._outputs(samples, n)
        if not self._is_proven:
            self._prove_batch(samples, outputs)
            self._is_proven = True
        return outputs[:n]

    def _outputs(self, samples: NDArray[Any], n: int) -> FloatArray:
        try:
            return self._answers(self._session, samples)
        except Exception as cause:
            # ONNX Runtime's exceptions share no base class but Exception.
            told = whole_text(cause)
            fault = f"fails on a batch of {n}: {told}"
            if n > 1 and "alloc" not in told.lower() and self._answers_one(samples[:1]):
                fault = (
                    f"answers one sample but no batch of {n}: its batch is frozen inside; "
                    f"{EXPORT_AGAIN} ({told})"
                )
            raise SourceError(fault, where=self._where) from cause

    def _answers(self, session: Any, samples: NDArray[Any]) -> FloatArray:
        return np.asarray(session.run(None, {self._input: samples})[0], np.float32)

    def _answers_one(self, sample: NDArray[Any]) -> bool:
        try:
            self._answers(self._session, sample)
        except Exception:
            return False
        return True

    def _prove_batch(self, samples: NDArray[Any], expected: FloatArray) -> None:
        """Holds the model with a free batch, as a cascade needs it, against the frozen one.

        Raises:
            SourceError: it fails, or answers otherwise.
        """
        assert self.frozen_batch is not None
        fault = f"its batch is frozen at {self.frozen_batch}, inside the file too; {EXPORT_AGAIN}"
        x = np.concatenate([samples, samples])
        try:
            free = self._opened(thawed_copy(self._model, self.frozen_batch).SerializeToString())
            found = self._answers(free, x)
        except Exception as cause:
            told = "; ".join(cause.faults) if isinstance(cause, EncasError) else whole_text(cause)
            raise SourceError(f"{fault} ({told})", where=self._where) from cause
        twice = np.concatenate([expected, expected])
        scale = max(1.0, float(np.abs(twice).max(initial=0)))
        if found.shape != twice.shape or not np.allclose(found, twice, atol=SAME * scale):
            raise SourceError(f"{fault} (it answers otherwise)", where=self._where)

    def _shaped(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Images as the rows of numbers that a model of tables takes, where it takes as many."""
        n_numbers = prod(samples.shape[1:])
        is_table = len(self._shape) == 2 and self._shape[1] == n_numbers
        return samples.reshape(len(samples), -1) if is_table and samples.ndim > 2 else samples

    def _opened(self, model: Any) -> Any:
        return open_session(
            model,
            device=Device.parse(self._settings.device),
            n_threads=self._settings.n_threads,
            name=self._where,
        )

    def _refuse_training(self) -> None:
        found = training_operators(self._model)
        if found:
            raise SourceError(
                f"was exported in training mode ({', '.join(found)}), so that its answers depend "
                "on the batch or on chance: export it again after model.eval()",
                where=self._where,
            )
