"""The settings that clients can read and change while a server runs: logs, traces."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ..protocol.protocol import Refusal

LOGGER = logging.getLogger("encas")
NO_TRACES: Mapping[str, Any] = {
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_file": "",
    "trace_mode": "triton",
}
FIXED = {"log_file": "", "log_format": "default"}
SWITCHES = ("log_info", "log_warning", "log_error")


class LogSettings:
    """Which lines are logged; `log_verbose_level` 1 and above logs each request."""

    def __init__(self, *, verbose_level: int = 0) -> None:
        self._switches = dict.fromkeys(SWITCHES, True)
        self._verbose_level = verbose_level

    @property
    def logs_requests(self) -> bool:
        """Whether each request gets a line."""
        return self._verbose_level > 0

    def to_json(self) -> dict[str, Any]:
        """As the logging extension has them."""
        levels = {"log_verbose_level": self._verbose_level}
        return {"log_file": "", **self._switches, **levels, "log_format": "default"}

    def update(self, values: Mapping[str, Any]) -> None:
        """Changes the settings that are named.

        Raises:
            Refusal: there is no such setting, or it cannot have that value.
        """
        for key, value in values.items():
            if key in FIXED and value != FIXED[key]:
                raise Refusal("unsupported", f"{key!r} cannot be changed")
            if key in SWITCHES and not isinstance(value, bool):
                raise Refusal("invalid", f"{key!r} must be true or false")
            is_level = isinstance(value, int) and not isinstance(value, bool) and value >= 0
            if key == "log_verbose_level" and not is_level:
                raise Refusal("invalid", f"{key!r} must be a whole number of at least 0")
            if key not in (*FIXED, *SWITCHES, "log_verbose_level"):
                raise Refusal("invalid", f"there is no log setting {key!r}")
        self._switches.update({key: values[key] for key in SWITCHES if key in values})
        self._verbose_level = values.get("log_verbose_level", self._verbose_level)
        LOGGER.setLevel(self._level())

    def _level(self) -> int:
        if self._switches["log_info"]:
            return logging.INFO
        if self._switches["log_warning"]:
            return logging.WARNING
        return logging.ERROR if self._switches["log_error"] else logging.CRITICAL


def check_traces(values: Mapping[str, Any]) -> None:
    """Lets pass what leaves traces switched off.

    Raises:
        Refusal: traces are asked for; this server has none.
    """
    for key, value in values.items():
        wanted = [value] if isinstance(value, str) and key == "trace_level" else value
        if key not in NO_TRACES:
            raise Refusal("invalid", f"there is no trace setting {key!r}")
        if wanted is not None and wanted != NO_TRACES[key]:
            raise Refusal("unsupported", "this server writes no traces")
