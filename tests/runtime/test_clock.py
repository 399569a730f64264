import numpy as np
import pytest

from encas.errors import ProfileError
from encas.runtime.clock import StabilityProtocol, measure

PROTOCOL = StabilityProtocol(window=5, min_window_ms=0.001)


class Clock:
    """Each call of what is measured takes the next of some durations, in milliseconds."""

    def __init__(self, durations):
        self.durations = iter(durations)
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def work(self) -> None:
        self.now_ns += int(next(self.durations) * 1e6)


def measured(durations, protocol=PROTOCOL):
    clock = Clock(durations)
    return measure([clock.work], name="it", protocol=protocol, clock=clock)


def trial_and(*windows):
    """Three calls of the trial, then five of each window."""
    return [1.0] * 3 + [ms for window in windows for ms in (window if isinstance(window, list)
                                                           else [window] * 5)]  # fmt: skip


def test_measure_of_a_steady_call_takes_three_windows():
    found = measured(trial_and(2.0, 2.0, 2.0))
    assert found.typical_ms == 2.0
    assert found.n_windows == 3
    assert found.times_ms.shape == (1, 15)
    assert (found.times_ms == 2).all()


def test_measure_goes_on_until_three_windows_in_a_row_agree():
    found = measured(trial_and(9.0, 2.0, 2.1, 4.0, 2.0, 2.1, 2.2))
    assert found.n_windows == 7
    assert found.typical_ms == pytest.approx(2.1)
    assert sorted(set(found.times_ms.ravel().tolist())) == pytest.approx([2.0, 2.1, 2.2])


def test_measure_of_windows_just_within_the_tolerance_counts():
    assert measured(trial_and(2.0, 2.1, 2.2)).n_windows == 3
    with pytest.raises(StopIteration):
        measured(trial_and(2.0, 2.1, 2.21))


def test_measure_is_not_moved_by_a_stolen_time_slice():
    spiked = [2.0, 2.0, 50.0, 2.0, 2.0]
    found = measured(trial_and(spiked, spiked, spiked))
    assert found.typical_ms == 2.0
    assert found.times_ms.max() == 50


def test_measure_that_never_settles_is_an_error_and_no_number():
    windows = [float(2 + index % 2) for index in range(10)]
    with pytest.raises(ProfileError, match=r"it: 10 windows never had 3 in a row within 10%.*2, 3"):
        measured(trial_and(*windows))


def test_measure_gives_up_after_as_many_windows_as_it_may():
    protocol = StabilityProtocol(window=5, min_window_ms=0.001, max_windows=4)
    with pytest.raises(ProfileError, match=r"4 windows never .*--max-windows"):
        measured(trial_and(1.0, 2.0, 3.0, 4.0), protocol)


def test_measure_of_several_calls_is_the_mean_of_their_medians():
    clock = Clock([])
    times = [1.0, 1.0, 10.0]

    def call(index):
        def run():
            clock.now_ns += int(times[index] * 1e6)

        return run

    calls = [call(index) for index in range(3)]
    found = measure(calls, name="it", protocol=PROTOCOL, clock=clock)
    assert found.typical_ms == pytest.approx(4.0)
    assert found.times_ms.shape == (3, 9)
    assert np.array_equal(found.times_ms[2], np.full(9, 10.0))


def test_measure_fills_a_window_with_short_calls():
    protocol = StabilityProtocol(window=5, min_window_ms=20.0)
    found = measured([0.5] * 1000, protocol)
    assert found.times_ms.shape == (1, 3 * 41)


def test_measure_with_a_real_clock_settles():
    protocol = StabilityProtocol(tolerance=5.0, max_windows=50)
    found = measure([lambda: sum(range(2000))], name="sum", protocol=protocol)
    assert found.typical_ms > 0


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


def test_paced_calls_have_a_pause_before_each(monkeypatch):
    pauses = []
    monkeypatch.setattr("encas.runtime.clock.time.sleep", pauses.append)
    ticks = iter(range(0, 10**12, 1_000_000))
    protocol = StabilityProtocol(window=5, pace_ms=20, min_window_ms=1000)
    found = measure([lambda: None], name="x", protocol=protocol, clock=lambda: next(ticks))
    assert pauses == [0.02] * 15
    assert found.n_runs == 15 + 3
    assert found.times_ms.shape == (1, 15)


def test_pace_that_is_none_is_refused():
    with pytest.raises(ProfileError, match=r"pace must be in 0..60000 ms, got -1"):
        StabilityProtocol(pace_ms=-1)
