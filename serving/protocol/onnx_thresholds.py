"""Other thresholds for the one-file cascade, without exporting it again."""

from __future__ import annotations

import numpy as np

from ...errors import MissingExtraError, ServingError

try:
    import onnx
    from onnx import numpy_helper
except ImportError as error:
    raise MissingExtraError("other thresholds in a graph", extra="export") from error

THRESHOLDS = "thresholds"


def with_thresholds(model: bytes, thresholds: tuple[float, ...], *, where: str) -> bytes:
    """The content of a graph's file with other thresholds in it.

    Raises:
        ServingError: the graph has none, or another number of them.
    """
    graph = onnx.load_model_from_string(model)
    found = [tensor for tensor in graph.graph.initializer if tensor.name == THRESHOLDS]
    n_found = int(np.prod(found[0].dims)) if found else 0
    if n_found != len(thresholds):
        raise ServingError(
            f"the graph has {n_found} thresholds, got {len(thresholds)}", where=where
        )
    for tensor in found:
        tensor.CopyFrom(numpy_helper.from_array(np.array(thresholds, np.float32), THRESHOLDS))
    return graph.SerializeToString(deterministic=True)
