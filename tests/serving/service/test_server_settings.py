import logging

import pytest

from encas.serving.protocol.protocol import Refusal
from encas.serving.service.server_settings import LOGGER, LogSettings, check_traces


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
