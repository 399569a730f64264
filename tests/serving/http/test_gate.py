import asyncio
import json
import logging

import pytest
from asgi_client import ask
from starlette.responses import PlainTextResponse

from encas.serving.http.gate import HttpGate
from encas.serving.service.server_settings import LogSettings
from encas.serving.service.tokens import BearerToken

TOKEN = "0123456789abcdef"


def through_gate(method, path, headers=None, *, token=None, verbose_level=0):
    gate = HttpGate(
        PlainTextResponse("app", 201),
        PlainTextResponse("infer", 202),
        token=token,
        logs=LogSettings(verbose_level=verbose_level),
    )
    return asyncio.run(ask(gate, method, path, headers=headers))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v2/models/m/infer", b"infer"),
        ("/v2/models/m/versions/1/infer", b"infer"),
        ("/v2/models/m", b"app"),
        ("/v2/infer", b"app"),
    ],
)
def test_gate_sends_inference_apart_from_all_others(path, answer):
    assert through_gate("POST", path).body == answer


@pytest.mark.parametrize("path", ["/v2", "/v2/models/m/infer", "/metrics", "/v2/health", "/"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {TOKEN}x"}])
def test_gate_lets_nobody_pass_without_the_token(path, headers):
    answer = through_gate("GET", path, headers, token=BearerToken(TOKEN))
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert json.loads(answer.body) == {"error": "a bearer token is needed"}


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready"])
def test_gate_lets_everybody_ask_for_the_health(path):
    assert through_gate("GET", path, token=BearerToken(TOKEN)).status == 201


def test_gate_lets_the_owner_of_the_token_pass():
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert through_gate("GET", "/v2", headers, token=BearerToken(TOKEN)).status == 201


def test_gate_logs_requests_only_where_it_is_told_to(caplog):
    caplog.set_level(logging.INFO, "encas.http")
    through_gate("GET", "/v2")
    assert caplog.records == []
    through_gate("POST", "/v2/models/m/infer", verbose_level=1)
    (line,) = caplog.records
    assert (line.getMessage(), line.method, line.path, line.status) == (
        "request",
        "POST",
        "/v2/models/m/infer",
        202,
    )
    assert line.ms >= 0
