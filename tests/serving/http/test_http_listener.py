import asyncio
import json
import re
import socket

import pytest
from small_service import SURE, with_service

from encas.errors import ServingError
from encas.serving.http.http_listener import HttpListener
from encas.serving.service.network import NetworkOptions
from encas.serving.service.tokens import BearerToken

TOKEN = "0123456789abcdef"


def options(**values):
    return NetworkOptions(**{"http_port": 0, "grpc_port": None, **values})


async def exchange(port, *lines, body=b""):
    """What a server answers on a connection that it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [*lines, "Host: x", "Connection: close", f"Content-Length: {len(body)}", "", ""]
    writer.write("\r\n".join(head).encode() + body)
    found = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    status, _, content = found.partition(b"\r\n\r\n")
    return int(status[9:12]), content


def test_listener_answers_on_its_port_until_it_is_stopped():
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": SURE}
    body = json.dumps({"inputs": [tensor]}).encode()

    async def work(service):
        listener = HttpListener(service, options(token=BearerToken(TOKEN)))
        await listener.start()
        bearer = f"Authorization: Bearer {TOKEN}"
        answers = [
            await exchange(listener.port, "GET /v2/health/ready HTTP/1.1"),
            await exchange(listener.port, "GET /v2 HTTP/1.1"),
            await exchange(listener.port, "GET /v2 HTTP/1.1", bearer),
            await exchange(listener.port, "POST /v2/models/echo/infer HTTP/1.1", bearer, body=body),
        ]
        await listener.stop()
        with pytest.raises(ConnectionRefusedError):
            await exchange(listener.port, "GET /v2 HTTP/1.1")
        return answers

    health, stranger, owner, inference = with_service(work)
    assert health == (200, b"")
    assert (stranger[0], owner[0], json.loads(owner[1])["name"]) == (401, 200, "encas")
    stages = [t["data"] for t in json.loads(inference[1])["outputs"] if t["name"] == "stage"]
    assert (inference[0], stages) == (200, [[1]])


def test_listener_takes_bodies_and_connections_as_its_options_say():
    async def work(service):
        listener = HttpListener(
            service,
            options(max_request_bytes=100, max_connections=7, body_timeout_s=1.5, drain_s=0.2),
        )
        config = listener._server.config
        await listener.stop()
        listener._socket.close()
        return listener.limits, config

    limits, config = with_service(work)
    assert (limits.max_bytes, limits.max_bytes_together, limits.timeout_s) == (100, 1600, 1.5)
    assert (config.limit_concurrency, config.timeout_graceful_shutdown) == (7, 1)


def test_listener_on_a_taken_port_is_one_clear_error():
    async def work(service):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            HttpListener(service, options(http_port=taken.getsockname()[1]))

    with pytest.raises(ServingError) as failed:
        with_service(work)
    pattern = r"HTTP on 127.0.0.1:\d+: cannot listen: .* in use"
    assert re.fullmatch(pattern, str(failed.value))


def test_listener_on_an_address_of_others_is_one_clear_error():
    async def work(service):
        HttpListener(service, options(host="192.0.2.1", http_port=8000))

    with pytest.raises(ServingError, match="HTTP on 192.0.2.1:8000: cannot listen"):
        with_service(work)


@pytest.mark.parametrize("n_chunks", [17, 40])
def test_request_without_end_is_refused_when_it_is_too_large(served, n_chunks):
    with socket.create_connection((served.host, served.http_port), timeout=20) as link:
        link.sendall(
            b"POST /v2/models/three/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        try:
            for _ in range(n_chunks):
                link.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert link.recv(100).startswith(b"HTTP/1.1 413")
