from dataclasses import replace

import pytest

from encas.errors import ProfileError
from encas.runtime.clock import StabilityProtocol, threads_of
from encas.runtime.session import NO_DEVICE


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window": 0}, "must be positive"),
        ({"tolerance": 0.0}, "must be positive"),
        ({"agree": 0}, "must be positive"),
        ({"agree": 4, "max_windows": 3}, "4 windows must agree, so at least as many"),
    ],
)
def test_protocol_that_no_measurement_can_keep_is_refused(values, message):
    with pytest.raises(ProfileError, match=message):
        StabilityProtocol(**values)


def test_pace_that_is_none_is_refused():
    with pytest.raises(ProfileError, match=r"pace must be in 0..60000 ms, got -1"):
        StabilityProtocol(pace_ms=-1)


@pytest.mark.parametrize(("device", "n_threads"), [("cpu", 4), ("cuda:0", None), ("none", None)])
def test_threads_are_this_processs_on_the_cpu_alone(device, n_threads):
    assert threads_of(replace(NO_DEVICE, device=device, n_threads=4)) == n_threads
