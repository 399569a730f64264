"""Runs ONNX files over samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arrays import FloatArray
from ...data.preprocessing import Preprocessing
from ...errors import SourceError
from ...runtime.device import Device
from ...runtime.ort_opening import NUMPY_TYPES, open_session
from .onnx_costs import onnx_costs
from .onnx_graph import ends_in_softmax, frozen_batch, load_inlined
from .run_settings import RunSettings
from .source_model import SourceModel


class OnnxRunner:
    """A `ModelRunner` of an ONNX file.

    Args:
        source: names the file.
        settings: where and how it runs.

    Raises:
        SourceError: the file has not one input of samples and one output of rows.
        SessionError: ONNX Runtime cannot load it on the device.
    """

    def __init__(self, source: SourceModel, settings: RunSettings) -> None:
        assert source.onnx_file is not None
        self._path = source.onnx_file
        self._where = source.spec
        self._session = open_session(
            self._path,
            device=Device.parse(settings.device),
            n_threads=settings.n_threads,
            name=source.spec,
        )
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if len(inputs) != 1 or len(outputs) != 1:
            names = [tensor.name for tensor in (*inputs, *outputs)]
            raise SourceError(f"expected one input and one output, got {names}", where=source.spec)
        if inputs[0].type not in NUMPY_TYPES:
            raise SourceError(f"cannot feed an input of type {inputs[0].type}", where=source.spec)
        self._input = inputs[0].name
        self._dtype = np.dtype(NUMPY_TYPES[inputs[0].type])
        model = load_inlined(self._path)
        self.frozen_batch = frozen_batch(model)
        is_softmax = source.kind is None and ends_in_softmax(model.graph)
        self.kind = "probabilities" if is_softmax else source.kind or "logits"

    def costs(self, sample: NDArray[Any]) -> Mapping[str, float]:
        """See `ModelRunner.costs`."""
        return onnx_costs(self._path, tuple(sample.shape[1:]))

    def run(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> FloatArray:
        """See `ModelRunner.run`."""
        samples = batch if preprocessing is None else preprocessing.normalised(batch)
        n = len(samples)
        if self.frozen_batch is not None and n < self.frozen_batch:
            missing = self.frozen_batch - n
            samples = np.concatenate([samples, np.repeat(samples[-1:], missing, axis=0)])
        try:
            outputs = self._session.run(
                None, {self._input: samples.astype(self._dtype, copy=False)}
            )
        except Exception as cause:
            # ONNX Runtime's exceptions share no base class but Exception.
            first = (str(cause).strip().splitlines() or ["failed"])[0]
            raise SourceError(f"fails on a batch of {n}: {first}", where=self._where) from cause
        return np.asarray(outputs[0], np.float32)[:n]
