"""A gRPC server that gives every ModelInfer the same answer: what grpc.aio itself can carry.

    python grpc_echo.py ROWS        prints {"grpc_port": PORT} and serves until SIGTERM

No model runs and no message is read: a server on Python's gRPC library that does run one cannot be
faster than this.
"""

from __future__ import annotations

import asyncio
import json
import sys

import grpc
import numpy as np
from tritonclient.grpc import service_pb2

METHOD = "/inference.GRPCInferenceService/ModelInfer"
N_CLASSES = 10

try:
    import uvloop
except ImportError:
    uvloop = None


def answer_of(n_rows: int) -> bytes:
    """A response with the outputs of a cascade, all zero."""
    arrays = {
        "probabilities": ("FP32", np.zeros((n_rows, N_CLASSES), np.float32)),
        "label": ("INT64", np.zeros(n_rows, np.int64)),
        "stage": ("INT64", np.zeros(n_rows, np.int64)),
    }
    response = service_pb2.ModelInferResponse(model_name="echo", model_version="1")
    for name, (datatype, array) in arrays.items():
        response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        response.raw_output_contents.append(array.tobytes())
    return response.SerializeToString()


class Echo(grpc.GenericRpcHandler):
    """Answers ModelInfer with the same bytes."""

    def __init__(self, answer: bytes) -> None:
        async def infer(_request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
            return answer

        self._handler = grpc.unary_unary_rpc_method_handler(infer)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler | None:
        return self._handler if handler_call_details.method == METHOD else None


async def main(n_rows: int) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers([Echo(answer_of(n_rows))])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"grpc_port": port}), flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    (uvloop or asyncio).run(main(int(sys.argv[1])))
