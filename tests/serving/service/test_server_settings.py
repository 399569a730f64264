import json
import logging
from io import StringIO

import numpy as np
import pytest

from encas.errors import ServingError
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.logs import logging_to
from encas.serving.service.network import NetworkOptions, TlsFiles
from encas.serving.service.request_batch import NO_STAGES, BatchReport
from encas.serving.service.request_statistics import Statistics
from encas.serving.service.server_settings import LOGGER, LogSettings, check_traces
from encas.serving.service.tokens import BearerToken

TOKEN = "0123456789abcdef"


def test_log_settings_are_changed_and_read():
    level = LOGGER.level
    try:
        settings = LogSettings()
        settings.update({"log_verbose_level": 2, "log_info": False, "log_file": ""})
        assert settings.logs_requests
        assert settings.to_json()["log_verbose_level"] == 2
        assert LOGGER.level == logging.WARNING
        settings.update({"log_warning": False})
        assert LOGGER.level == logging.ERROR
        settings.update({"log_error": False})
        assert LOGGER.level == logging.CRITICAL
    finally:
        LOGGER.setLevel(level)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"log_file": "/tmp/x"}, "'log_file' cannot be changed"),
        ({"log_info": 1}, "'log_info' must be true or false"),
        ({"log_verbose_level": -1}, "whole number"),
        ({"log_verbose_level": True}, "whole number"),
        ({"nonsense": 1}, "no log setting 'nonsense'"),
    ],
)
def test_log_settings_that_cannot_be_are_refused_and_change_nothing(values, fault):
    settings = LogSettings()
    before = settings.to_json()
    with pytest.raises(Refusal, match=fault):
        settings.update({"log_warning": False, **values})
    assert settings.to_json() == before


def test_traces_stay_off():
    check_traces({"trace_level": ["OFF"], "trace_rate": "1000", "trace_file": None})
    check_traces({"trace_level": "OFF"})
    with pytest.raises(Refusal, match="writes no traces"):
        check_traces({"trace_level": ["TIMESTAMPS"]})
    with pytest.raises(Refusal, match="no trace setting 'x'"):
        check_traces({"x": "1"})


def test_log_is_one_json_object_per_line():
    stream = StringIO()
    logger = logging.getLogger("encas.http")
    with logging_to(stream):
        logger.info("hello", extra={"status": 200})
        try:
            raise ValueError("broken")
        except ValueError:
            logger.exception("failed")
        logging.getLogger("uvicorn.error").info("too much")
    logger.info("afterwards")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["message"], first["status"], first["level"]) == ("hello", 200, "info")
    assert "ValueError: broken" in second["exception"]


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer {TOKEN}".encode()])
def test_token_lets_its_owner_pass(header):
    BearerToken(TOKEN).check(header)


@pytest.mark.parametrize(
    "header", [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00fc", b"Bearer "]
)
def test_token_keeps_others_out(header):
    with pytest.raises(Refusal, match="bearer token"):
        BearerToken(TOKEN).check(header)


@pytest.mark.parametrize("token", ["short", "a" * 15, "with a space inside", "\u00fc" * 20])
def test_token_that_is_weak_or_no_header_is_refused(token):
    with pytest.raises(ServingError, match="16 or more ASCII characters"):
        BearerToken(token)


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("my.host", False),
    ],
)
def test_only_loopback_is_local(host, is_local):
    assert NetworkOptions(host=host).is_local is is_local


def test_address_of_ipv6_has_brackets():
    assert NetworkOptions(host="::1").address(7) == "[::1]:7"


def test_tls_names_every_missing_file(tmp_path):
    with pytest.raises(ServingError, match="2 faults: no such file: .*a; no such file: .*b"):
        TlsFiles(certificate=tmp_path / "a", key=tmp_path / "b")


def test_statistics_count_as_triton_does():
    statistics = Statistics(wall_clock=lambda: 12.5)
    stage = np.array([1, 1, 2])
    report = BatchReport(
        cascade="c", rows=(1, 2), waited_s=(0.1, 0.2), gather_s=0.01, run_s=0.5, stage=stage
    )
    statistics.add_batch(report)
    statistics.add_success(0.7, send_s=0.05)
    statistics.add_failure(0.3)
    found = statistics.to_json("m", "1")
    assert (found["inference_count"], found["execution_count"]) == (3, 1)
    assert found["last_inference"] == 12_500
    times = found["inference_stats"]
    assert times["success"] == {"count": 1, "ns": 700_000_000}
    assert times["fail"] == {"count": 1, "ns": 300_000_000}
    assert times["queue"] == {"count": 2, "ns": 300_000_000}
    assert times["compute_infer"] == {"count": 2, "ns": 1_000_000_000}
    assert times["compute_output"] == {"count": 1, "ns": 50_000_000}
    (batch,) = found["batch_stats"]
    assert (batch["batch_size"], batch["compute_infer"]["count"]) == (3, 1)


def test_statistics_do_not_count_a_batch_that_failed():
    statistics = Statistics()
    statistics.add_batch(
        BatchReport(
            cascade="c", rows=(2,), waited_s=(0.1,), gather_s=0.0, run_s=0.1,
            stage=NO_STAGES, failure=ValueError("x"),
        )
    )  # fmt: skip
    found = statistics.to_json("m", "1")
    assert (found["inference_count"], found["batch_stats"]) == (0, [])
    assert found["inference_stats"]["queue"]["count"] == 1
