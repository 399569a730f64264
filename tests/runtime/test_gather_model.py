import numpy as np
import onnx
import pytest

from encas.runtime.device import Device
from encas.runtime.gather_model import ELEMENT_TYPES, gather_model
from encas.runtime.ort_opening import open_session


@pytest.mark.parametrize("dtype", sorted(ELEMENT_TYPES))
def test_gather_model_is_valid_and_takes_rows(dtype):
    content = gather_model(dtype, 3)
    onnx.checker.check_model(content)
    session = open_session(content, device=Device(kind="cpu"), n_threads=1)
    x = np.arange(12).reshape(3, 2, 2).astype(dtype)
    rows = np.array([2, 0, 2])
    (found,) = session.run(None, {"x": x, "rows": rows})
    assert found.dtype == x.dtype
    assert np.array_equal(found, x[rows])
