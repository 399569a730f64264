"""A small loop on the disk, and measuring that needs no quiet machine."""

import pytest
from linear_loop import Loop, make_loop

from encas.runtime import clock


@pytest.fixture
def loop(tmp_path, monkeypatch) -> Loop:
    monkeypatch.chdir(tmp_path)
    return make_loop(tmp_path)


@pytest.fixture
def patient(monkeypatch) -> None:
    """Tests run beside others: any three windows agree."""
    values = {"window": 3, "tolerance": 20.0, "min_window_ms": 0.5, "max_windows": 200}
    protocol = clock.StabilityProtocol(**values)
    monkeypatch.setattr("encas.jobs.measure_latency.PATIENT", protocol)
    original = clock.StabilityProtocol

    def tolerant(**options):
        return original(**(options | values))

    monkeypatch.setattr("encas.commands.measuring_options.StabilityProtocol", tolerant)
