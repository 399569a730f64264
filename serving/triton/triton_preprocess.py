"""The Triton model that turns images into samples: image files, or pixels uint8 [height, width, 3].

`preprocessing.json` lies beside the model file.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # pyright: ignore[reportMissingImports] - Triton's
from numpy.typing import NDArray

from ...arrays import FloatArray
from ...data.images import read_sample, sample_of_pixels
from ...data.preprocessing import Preprocessing
from ...errors import DataError

IMAGE = "image"


class TritonPythonModel:
    """See the documentation of Triton's Python backend."""

    def initialize(self, args: dict[str, str]) -> None:
        """Reads the preprocessing."""
        folder = Path(args["model_repository"], args["model_version"])
        self._preprocessing = Preprocessing.load(folder / "preprocessing.json")
        config = json.loads(args["model_config"])
        self._dtype = pb_utils.triton_string_to_numpy(config["output"][0]["data_type"])

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request; an image that cannot be read fails its request alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, IMAGE).as_numpy()
        try:
            samples = np.stack([self._sample(image) for image in images])
        except DataError as cause:
            error = pb_utils.TritonError(str(cause), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        return pb_utils.InferenceResponse([pb_utils.Tensor("input", samples.astype(self._dtype))])

    def _sample(self, image: NDArray[Any]) -> FloatArray:
        if image.dtype == np.uint8:
            return sample_of_pixels(image, self._preprocessing)
        return read_sample(io.BytesIO(image.item()), self._preprocessing, where="image")
