"""gRPC on a port: one listener in this process, talked to by grpc's own client."""

import asyncio
import re
import socket

import grpc
import numpy as np
import pytest
from small_service import SURE, with_service
from tritonclient.grpc import service_pb2_grpc

from encas.errors import ServingError
from encas.serving.grpc.grpc_listener import HEADER_ROOM, GrpcListener
from encas.serving.protocol.messages import pb
from encas.serving.service.network import NetworkOptions
from encas.serving.service.tokens import BearerToken

TOKEN = "0123456789abcdef"


def options(**values):
    return NetworkOptions(**{"grpc_port": 0, **values})


def with_listener(work, **values):
    """What `work` gives for a stub of a listener that is there meanwhile."""

    async def live(service):
        listener = GrpcListener(service, options(**values))
        await listener.start()
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{listener.port}") as channel:
                return await work(service_pb2_grpc.GRPCInferenceServiceStub(channel), listener)
        finally:
            await listener.stop(0)

    return with_service(live)


def inference(**values):
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3]}
    raw = np.array(SURE, np.float32).tobytes()
    given = {"model_name": "echo", "inputs": [tensor], "raw_input_contents": [raw], **values}
    return pb.ModelInferRequest(**given)


async def nothing_yet():
    """The requests of a client that first waits whether its stream is welcome."""
    await asyncio.Event().wait()
    yield


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code(), failed.value.details()


def test_listener_answers_on_its_port():
    async def work(stub, listener):
        answer = await stub.ModelInfer(inference(id="7"))
        return listener.port, answer.id, [tensor.name for tensor in answer.outputs]

    port, name, outputs = with_listener(work)
    assert (port > 0, name) == (True, "7")
    assert outputs == ["probabilities", "label", "stage", "confidence"]


def test_listener_lets_only_the_owner_of_the_token_pass_but_for_the_health():
    async def work(stub, _listener):
        assert (await stub.ServerLive(pb.ServerLiveRequest())).live
        assert (await stub.ServerReady(pb.ServerReadyRequest())).ready
        bearer = (("authorization", f"Bearer {TOKEN}"),)
        found = await stub.ServerMetadata(pb.ServerMetadataRequest(), metadata=bearer)
        assert found.name == "encas"
        refusals = []
        for metadata in ((), (("authorization", f"Bearer {TOKEN}x"),)):
            calls = [
                stub.ServerMetadata(pb.ServerMetadataRequest(), metadata=metadata),
                stub.ModelReady(pb.ModelReadyRequest(name="echo"), metadata=metadata),
                stub.ModelInfer(inference(), metadata=metadata),
                stub.ModelStreamInfer(nothing_yet(), metadata=metadata).read(),
            ]
            refusals += [await refused(call) for call in calls]
        stream = stub.ModelStreamInfer(iter([inference()]), metadata=bearer)
        return refusals, [answer.error_message async for answer in stream]

    refusals, streamed = with_listener(work, token=BearerToken(TOKEN))
    assert set(refusals) == {(grpc.StatusCode.UNAUTHENTICATED, "a bearer token is needed")}
    assert streamed == [""]


def test_listener_refuses_messages_beyond_its_limit():
    async def work(stub, _listener):
        padding = {"x": {"string_param": "x" * (HEADER_ROOM + 1000)}}
        small = {"x": {"string_param": "x" * (HEADER_ROOM - 1000)}}
        await stub.ModelInfer(inference(parameters=small))
        return await refused(stub.ModelInfer(inference(parameters=padding)))

    code, _ = with_listener(work, max_request_bytes=1000)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_listener_that_is_stopped_refuses_connections():
    async def work(stub, listener):
        await listener.stop(0)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", listener.port)

    with_listener(work)


def test_listener_on_a_taken_port_is_one_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingError) as failed:
            with_listener(None, grpc_port=port)
    assert re.fullmatch(
        r"gRPC on 127.0.0.1:\d+: cannot listen, the address is taken or not here",
        str(failed.value),
    )
