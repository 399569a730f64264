import json
import logging
import re
from io import StringIO

from encas.serving.service.logs import LOGGERS, logging_to


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


def test_log_lines_say_when_where_and_how_bad_it_is():
    stream = StringIO()
    with logging_to(stream):
        logging.getLogger("encas.server").warning(
            "slow: %d s", 3, extra={"path": {1, 2} - {1}, "_of_a_library": 7}
        )
    line = json.loads(stream.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("time"))
    assert line == {
        "level": "warning",
        "logger": "encas.server",
        "message": "slow: 3 s",
        "path": "{2}",
    }


def test_loggers_are_afterwards_as_they_were_though_something_fails():
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        with logging_to(StringIO()):
            levels = {logger.name: logger.level for logger in loggers}
            raise KeyError("it fails")
    except KeyError:
        pass
    assert levels == {"encas": logging.INFO, "uvicorn": logging.WARNING, "grpc": logging.WARNING}
    assert [(logger.handlers, logger.propagate, logger.level) for logger in loggers] == before


def test_what_the_server_logs_goes_nowhere_else(caplog):
    with logging_to(StringIO()):
        logging.getLogger("encas.http").error("hello")
    assert caplog.records == []
