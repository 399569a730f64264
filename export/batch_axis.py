"""Makes a batch work down to an empty one."""

from __future__ import annotations

import numpy as np

from ..errors import ExportError, MissingExtraError, whole_text
from ..pools.models.onnx_graph import real_inputs
from ..processors import usable_processors
from ..runtime.device import Device
from ..runtime.ort_opening import open_session
from .onnx_model import (
    INLINE_LIMIT,
    ModelProto,
    fresh_name,
    tensor_names,
    weight_bytes,
)

try:
    from onnx import helper, numpy_helper
except ImportError as error:
    raise MissingExtraError("exporting to ONNX", extra="export") from error

TRIAL_BATCHES = (2, 3)


def spell_out_reshapes(model: ModelProto) -> ModelProto:
    """Gives every Reshape that keeps the batch first a constant shape [-1, ...], in place.

    A shape such as [n, -1], computed or not, means nothing when n is 0.

    Raises:
        ExportError: the model cannot be run.
    """
    reshapes = [node for node in model.graph.node if node.op_type == "Reshape"]
    names = [node.output[0] for node in reshapes]
    if not names or weight_bytes(model) > INLINE_LIMIT:
        return model
    shapes, others = (_shapes_of(model, names, batch) for batch in TRIAL_BATCHES)
    taken = tensor_names(model.graph)
    for node, shape, other in zip(reshapes, shapes, others, strict=True):
        if shape[1:] == other[1:] and shape[:1] != other[:1] and all(shape):
            name = fresh_name(f"{node.output[0]}_shape", taken)
            sizes = np.array([-1, *shape[1:]], np.int64)
            model.graph.initializer.append(numpy_helper.from_array(sizes, name))
            node.input[1] = name
            node.ClearField("attribute")
    return model


def _shapes_of(model: ModelProto, names: list[str], batch: int) -> list[tuple[int, ...]]:
    """The shapes that tensors really have when a batch of that size runs."""
    trial = ModelProto()
    trial.CopyFrom(model)
    known = {value.name for value in trial.graph.output}
    trial.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    given = real_inputs(trial.graph)[0]
    shape = [int(dim.dim_value) for dim in given.type.tensor_type.shape.dim[1:]]
    dtype = helper.tensor_dtype_to_np_dtype(given.type.tensor_type.elem_type)
    content, cpu = trial.SerializeToString(), Device(kind="cpu")
    try:
        session = open_session(content, device=cpu, n_threads=usable_processors())
        answers = session.run(names, {given.name: np.zeros((batch, *shape), dtype)})
    except Exception as cause:
        # ONNX Runtime's exceptions share no base class but Exception.
        raise ExportError(f"it cannot be run on a batch of {batch}: {whole_text(cause)}") from cause
    return [np.asarray(answer).shape for answer in answers]
