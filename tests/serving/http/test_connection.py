"""What a connection may do before there is a request, and after: a whole server in this process."""

import asyncio
import json
from contextlib import asynccontextmanager

import numpy as np
import pytest

from encas.runtime.loading import Placement
from encas.serving.http.connection import MAX_HEAD_BYTES
from encas.serving.server import Server, ServerOptions
from encas.serving.service.network import NetworkOptions
from encas.serving.service.opening import BundleSource, ModelOptions
from encas.serving.service.queueing import QueueLimits

TIMEOUT_S = 0.4
HEAD = b"POST /v2/models/three/infer HTTP/1.1\r\nHost: x\r\n"


@asynccontextmanager
async def serving(bundle, *, max_delay_s=0.0, timeout_s=TIMEOUT_S):
    limits = QueueLimits(max_batch_size=16, max_queue_rows=64, max_delay_s=max_delay_s)
    models = ModelOptions(limits=limits, placement=Placement(n_threads=1))
    network = NetworkOptions(http_port=0, grpc_port=None, body_timeout_s=timeout_s, drain_s=5)
    sources = (BundleSource(name="three", folder=bundle),)
    server = Server(ServerOptions(sources=sources, models=models, network=network))
    addresses = await server.start()
    try:
        yield server, addresses.http_port
    finally:
        await server.stop()


def request_of(x):
    tensor = {"name": "input", "datatype": "FP32", "shape": x.shape, "data": x.ravel().tolist()}
    body = json.dumps({"inputs": [tensor]}).encode()
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def exchange(port, *parts, pause_s=0.0):
    """All that comes back before the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


def parsed(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head[9:12]), json.loads(body)["error"]


@pytest.mark.parametrize("sent", [b"", HEAD, b"\r\n", b"PO"])
def test_head_that_never_ends_is_closed_in_time(bundle, sent):
    async def ask():
        async with serving(bundle) as (_, port):
            return parsed(await exchange(port, sent))

    assert asyncio.run(ask()) == (408, "the head took over 0.4 s")


def test_head_in_small_pieces_gains_no_time(bundle):
    async def ask():
        async with serving(bundle) as (_, port):
            pieces = [HEAD, *[b"A: b\r\n"] * 20]
            try:
                answer = await exchange(port, *pieces, pause_s=0.05)
            except ConnectionError:
                return None
            return parsed(answer)[0]

    assert asyncio.run(ask()) in (408, None)


def test_head_without_bounds_is_refused(bundle):
    async def ask():
        async with serving(bundle, timeout_s=30.0) as (_, port):
            line = b"A: " + b"b" * 1000 + b"\r\n"
            answer = await exchange(port, HEAD, line * (MAX_HEAD_BYTES // 1000 + 10), pause_s=0.05)
            return parsed(answer)

    assert asyncio.run(ask()) == (431, "the head is too large")


def test_what_is_no_http_gets_the_protocols_error(bundle):
    async def ask():
        async with serving(bundle, timeout_s=30.0) as (_, port):
            return parsed(await exchange(port, b"\x16\x03\x01 nonsense\r\n\r\n"))

    assert asyncio.run(ask()) == (400, "Invalid HTTP request received.")


def test_connection_may_be_silent_between_requests(bundle):
    async def ask():
        async with serving(bundle, timeout_s=30.0) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            statuses, waits_for_a_head = [], []
            for _ in range(2):
                writer.write(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
                statuses.append((await reader.readuntil(b"\r\n\r\n"))[9:12])
                (connection,) = server._http._server.server_state.connections
                waits_for_a_head.append(connection._timer is not None)
            writer.close()
            return statuses, waits_for_a_head

    assert asyncio.run(ask()) == ([b"200", b"200"], [False, False])


def test_request_whose_client_hangs_up_is_given_up(bundle):
    async def ask():
        async with serving(bundle, max_delay_s=3600.0, timeout_s=30.0) as (server, port):
            model = server._catalog.model("three")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_of(np.zeros((3, 1, 4, 4), np.float32)))
            while model.lane.n_waiting_rows < 3:
                await asyncio.sleep(0.01)
            writer.close()
            while b'outcome="cancelled",protocol="http"} 1.0' not in server._service.metrics.text():
                await asyncio.sleep(0.001)
            return model.lane.n_waiting_rows

    assert asyncio.run(asyncio.wait_for(ask(), 20)) == 0


def test_slow_answer_reaches_the_client_that_waits(bundle):
    async def ask():
        async with serving(bundle, max_delay_s=0.3, timeout_s=30.0) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_of(np.zeros((3, 1, 4, 4), np.float32)))
            status = (await reader.readuntil(b"\r\n\r\n"))[9:12]
            writer.close()
            return status

    assert asyncio.run(ask()) == b"200"


def test_json_takes_room_for_what_is_made_of_it(bundle):
    async def ask():
        async with serving(bundle, timeout_s=30.0) as (server, port):
            limits = server._http.limits
            limits.take(limits.max_bytes_together - 1000)
            answer = await exchange(
                port,
                request_of(np.zeros((1, 1, 4, 4), np.float32)).replace(
                    b"Host: x", b"Connection: close"
                ),
            )
            return parsed(answer)

    assert asyncio.run(ask()) == (429, "too many large requests at the same time")
