"""Inference over HTTP, as an ASGI application asks it."""

import asyncio
import gzip
import json
import re
import struct

import numpy as np
import pytest
from asgi_client import GONE, ask
from small_service import SURE, UNSURE, EchoPredictor, with_service

from encas.serving.http import infer
from encas.serving.http.body import BodyLimits
from encas.serving.http.infer import InferApp, is_infer_path

PATH = "/v2/models/echo/infer"
LENGTH = "inference-header-content-length"


def limits(max_bytes=10_000, together=200_000):
    return BodyLimits(max_bytes=max_bytes, max_bytes_together=together, timeout_s=5.0)


def asked(body, *, method="POST", path=PATH, headers=None, body_limits=None, **options):
    async def work(service):
        app = InferApp(service, body_limits or limits())
        return await ask(app, method, path, body, headers)

    return with_service(work, **options)


def body_of(*rows, **values):
    tensor = {"name": "input", "datatype": "FP32", "shape": [len(rows), 3], "data": list(rows)}
    return json.dumps({"inputs": [tensor], **values})


def outputs_of(answer):
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"] == "application/json"
    return {tensor["name"]: tensor for tensor in json.loads(answer.body)["outputs"]}


def error_of(answer):
    assert answer.headers["content-type"] == "application/json"
    return answer.status, json.loads(answer.body)["error"]


@pytest.mark.parametrize(
    ("path", "is_one"),
    [
        ("/v2/models/m/infer", True),
        ("/v2/models/m/versions/1/infer", True),
        ("/v2/models/infer", True),
        ("/v2/models/m/infer/", False),
        ("/v2/models/m/inferx", False),
        ("/v2/repository/models/m/infer", False),
    ],
)
def test_paths_that_ask_for_inference_are_known(path, is_one):
    assert is_infer_path(path) is is_one


@pytest.mark.parametrize("path", [PATH, "/v2/models/echo/versions/1/infer"])
def test_request_of_json_is_answered_in_json(path):
    answer = asked(body_of(SURE, UNSURE, id="7"), path=path)
    found = outputs_of(answer)
    head = json.loads(answer.body)
    assert (head["id"], head["model_name"], head["model_version"]) == ("7", "echo", "1")
    assert head["parameters"] == {"cascade": "echo"}
    assert found["stage"] == {"name": "stage", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]}
    assert found["label"]["data"] == [0, 0]
    assert found["probabilities"]["data"] == pytest.approx([*SURE, *UNSURE])
    assert LENGTH not in answer.headers


def test_request_of_raw_bytes_is_answered_as_it_wishes():
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3]}
    values = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": 12}}],
        "outputs": [
            {"name": "stage", "parameters": {"binary_data": True}},
            {"name": "label", "parameters": {"binary_data": False}},
        ],
    }
    head = json.dumps(values).encode()
    body = head + struct.pack("<3f", *UNSURE)
    answer = asked(body, headers={LENGTH: str(len(head))})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/octet-stream")
    n_json = int(answer.headers[LENGTH])
    stage, label = json.loads(answer.body[:n_json])["outputs"]
    assert (stage["parameters"], label["data"]) == ({"binary_data_size": 8}, [0])
    assert answer.body[n_json:] == struct.pack("<q", 2)
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"nonsense", 400, "failed to parse the JSON"),
        (b"\xff\xfe", 400, "failed to parse the JSON"),
        (b"[]", 400, "the request must be a JSON object"),
        (b"{}", 400, "expected 1 input but got 0"),
        (b"", 400, "inference header size should be in range 1..0, got 0"),
        (b"[" * 5000, 400, "failed to parse the JSON"),
        (b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3], '
         b'"data": [1, 2]}]}', 400, r"needs 3 numbers, got 2"),
        (b'{"inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 3], '
         b'"data": [NaN]}]}', 400, "NaN is not a JSON number"),
        (b" " * 10_000, 400, "failed to parse the JSON"),
        (b"x" * 10_001, 413, "at most 10000 bytes"),
    ],
)  # fmt: skip
def test_malformed_bodies_get_the_protocols_error(body, status, message):
    found, text = error_of(asked(body))
    assert found == status
    assert re.search(message, text)


@pytest.mark.parametrize("length", ["x", "-1", "1.0", "", "9" * 20])
def test_header_length_that_is_no_number_is_refused(length):
    status, message = error_of(asked(body_of(SURE), headers={LENGTH: length}))
    assert (status, message) == (400, "Inference-Header-Content-Length must be a whole number")


def test_header_length_beyond_the_body_is_refused_before_room_is_taken_for_it():
    answer = asked(b"{}", headers={LENGTH: "9" * 19})
    assert error_of(answer) == (
        400,
        f"inference header size should be in range 1..2, got {'9' * 19}",
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", PATH, 405, "Method Not Allowed"),
        ("POST", "/v2/models/echo/versions/infer", 404, "Not Found"),
        ("POST", "/v2/models/echo/version/1/infer", 404, "Not Found"),
        ("POST", "/v2/models/echo/versions/1/2/infer", 404, "Not Found"),
        ("POST", "/v2/models/x/infer", 404, "Request for unknown model: 'x' is not found"),
        ("POST", "/v2/models/echo/versions/2/infer", 404, "version 2 is not found"),
    ],
)
def test_calls_that_are_none_get_the_protocols_error(method, path, status, message):
    answer = asked(body_of(SURE), method=method, path=path)
    assert error_of(answer)[0] == status
    assert error_of(answer)[1].endswith(message)
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)


def test_body_that_unpacks_beyond_the_limit_is_refused():
    headers = {"Content-Encoding": "gzip"}
    for n_bytes, wanted in ((10_000, 400), (10_001, 413)):
        answer = asked(gzip.compress(b" " * n_bytes), headers=headers)
        status, message = error_of(answer)
        assert (status, "unpacked" in message) == (wanted, wanted == 413)
    status, message = error_of(asked(gzip.compress(b"{}")[:-1], headers=headers))
    assert (status, "one whole gzip stream" in message) == (400, True)


def test_large_answer_is_packed_where_the_client_takes_that():
    body = body_of(*[[1 / 3, 1 / 3, 1 / 3]] * 4, **{"id": "x" * 1000})
    plain = asked(body)
    answer = asked(body, headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert gzip.decompress(answer.body) == plain.body


def test_json_takes_room_for_what_is_made_of_it_and_gives_it_back():
    body = body_of(SURE).encode()
    needed = len(body) * (1 + infer.JSON_BYTES_PER_BYTE)
    for room, status in ((needed, 200), (needed - 1, 429)):
        body_limits = limits(together=room)
        answer = asked(body, body_limits=body_limits)
        assert answer.status == status
        body_limits.take(room)


def test_raw_bytes_take_no_more_room_than_they_are():
    tensor = {"name": "input", "datatype": "FP32", "shape": [4, 3]}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": 48}}]}).encode()
    body = head + np.zeros(12, np.float32).tobytes()
    room = len(body) + len(head) * infer.JSON_BYTES_PER_BYTE
    for together, status in ((room, 200), (room - 1, 429)):
        answer = asked(
            body, headers={LENGTH: str(len(head))}, body_limits=limits(together=together)
        )
        assert answer.status == status


def test_large_body_is_decoded_in_a_thread_to_the_same_answer(monkeypatch):
    threads = []
    original = asyncio.to_thread

    async def noting(function, *arguments, **values):
        threads.append(function.__name__)
        return await original(function, *arguments, **values)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    body = body_of(SURE).encode()
    monkeypatch.setattr(infer, "LARGE_BYTES", len(body))
    assert outputs_of(asked(body))["stage"]["data"] == [1]
    assert threads == []
    monkeypatch.setattr(infer, "LARGE_BYTES", len(body) - 1)
    assert outputs_of(asked(body))["stage"]["data"] == [1]
    assert threads == ["decoded_request"]


def test_answer_that_json_cannot_express_is_refused_unless_binary():
    broken = body_of([0.5, 0.5, 7.0]).replace("7.0", "1e999")
    status, message = error_of(asked(broken))
    assert (status, "ask for binary data" in message) == (400, True)
    binary = broken.replace('{"inputs"', '{"parameters": {"binary_data_output": true}, "inputs"')
    answer = asked(binary)
    n_json = int(answer.headers[LENGTH])
    first = json.loads(answer.body[:n_json])["outputs"][0]
    assert (answer.status, first["name"]) == (200, "probabilities")
    assert np.isinf(np.frombuffer(answer.body[n_json:][:12], np.float32)[2])


def test_draining_service_answers_nobody():
    async def work(service):
        service.is_draining = True
        return await ask(InferApp(service, limits()), "POST", PATH, body_of(SURE))

    answer = with_service(work)
    assert (error_of(answer), answer.headers["retry-after"]) == (
        (503, "the server is shutting down"),
        "1",
    )


def test_client_that_hangs_up_gets_no_answer():
    async def work(service):
        app = InferApp(service, limits())
        return await ask(app, "POST", PATH, body_of(SURE), hangs_up=True)

    assert with_service(work).status == 0


def test_client_that_hangs_up_while_its_request_waits_is_counted_as_cancelled(monkeypatch):
    monkeypatch.setattr("encas.serving.http.client_watch.PATIENCE_S", 0.0)

    async def work(service):
        app, gate = InferApp(service, limits()), asyncio.Event()
        incoming = [{"type": "http.request", "body": body_of(SURE).encode()}]

        async def receive():
            return incoming.pop(0) if incoming else GONE

        async def submit(*_arguments, **_values):
            await gate.wait()

        sent = []
        monkeypatch.setattr(service.catalog.model("echo").lane, "submit", submit)
        scope = {"type": "http", "method": "POST", "path": PATH, "headers": []}
        await app(scope, receive, sent.append)
        return sent, service.metrics.text()

    sent, text = with_service(work)
    assert sent == []
    assert b'outcome="cancelled",protocol="http"} 1.0' in text


def test_request_that_breaks_the_server_tells_the_log_and_not_the_client(caplog):
    async def work(_service):
        return await ask(InferApp(None, limits()), "POST", PATH, body_of(SURE))

    assert error_of(with_service(work)) == (500, "internal error")
    (line,) = caplog.records
    assert (line.getMessage(), line.path) == ("request failed", PATH)


def test_cascade_that_fails_is_the_clients_answer():
    class Broken(EchoPredictor):
        def __call__(self, x):
            raise ValueError("out of memory")

    status, message = error_of(asked(body_of(SURE), predictor=Broken()))
    assert (status, message) == (500, "echo: out of memory")
