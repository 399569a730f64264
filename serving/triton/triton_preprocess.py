"""The Triton model that turns images into samples: image files, or pixels uint8 [height, width, 3].

It has an output for each input of the cascade; `NAME.preprocessing.json` beside the model file says
how.
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
        """Reads the preprocessings."""
        folder = Path(args["model_repository"], args["model_version"])
        outputs = {output["name"]: output for output in json.loads(args["model_config"])["output"]}
        self._preprocessings = {
            name: Preprocessing.load(folder / f"{name}.preprocessing.json") for name in outputs
        }
        self._dtypes = {
            name: pb_utils.triton_string_to_numpy(output["data_type"])
            for name, output in outputs.items()
        }

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request; an image that cannot be read fails its request alone."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, IMAGE).as_numpy()
        try:
            tensors = [
                pb_utils.Tensor(name, self._samples(images, steps).astype(self._dtypes[name]))
                for name, steps in self._preprocessings.items()
            ]
        except DataError as cause:
            error = pb_utils.TritonError(str(cause), pb_utils.TritonError.INVALID_ARG)
            return pb_utils.InferenceResponse(error=error)
        return pb_utils.InferenceResponse(tensors)

    def _samples(self, images: NDArray[Any], steps: Preprocessing) -> FloatArray:
        return np.stack([_sample(image, steps) for image in images])


def _sample(image: NDArray[Any], steps: Preprocessing) -> FloatArray:
    if image.dtype == np.uint8:
        return sample_of_pixels(image, steps)
    return read_sample(io.BytesIO(image.item()), steps, where="image")
