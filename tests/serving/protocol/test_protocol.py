from typing import get_args

import numpy as np

from encas.serving.grpc.servicer import CODES
from encas.serving.http.answers import STATUS
from encas.serving.protocol.protocol import (
    InferRequest,
    OutputTensor,
    Refusal,
    RefusalKind,
    RequestedOutput,
)


def test_refusal_says_what_the_client_sees():
    refusal = Refusal("too_large", "it is too large")
    assert (refusal.kind, refusal.message, str(refusal)) == ("too_large", *["it is too large"] * 2)


def test_every_kind_of_refusal_has_a_status_in_both_protocols():
    assert set(STATUS) == set(CODES) == set(get_args(RefusalKind))


def test_shape_of_an_output_is_a_list_as_json_has_it():
    shapes = [(2, 1), (0, 3), ()]
    tensors = [OutputTensor(name="x", datatype="FP32", data=np.zeros(shape)) for shape in shapes]
    assert [tensor.shape for tensor in tensors] == [[2, 1], [0, 3], []]


def test_request_asks_for_all_outputs_raw_unless_told():
    request = InferRequest(model="m")
    assert (request.outputs, request.binary, dict(request.parameters)) == (None, True, {})
    plain = RequestedOutput(name="label")
    assert (plain.binary, plain.classes, plain.region) == (True, 0, None)
