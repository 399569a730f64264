from itertools import chain, repeat

import numpy as np
import pytest

from encas.errors import ProfileError
from encas.runtime.clock import StabilityProtocol, Stopwatch
from encas.runtime.settling import Settling, measure

PROTOCOL = StabilityProtocol(window=5, min_window_ms=0.001)
RATIOS = (1.0, 1.7, 2.4, 3.1)


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
    return measure([clock.work], name="it", protocol=protocol, stopwatch=Stopwatch(wall=clock))


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
    found = measure(calls, name="it", protocol=PROTOCOL, stopwatch=Stopwatch(wall=clock))
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


def test_paced_calls_have_a_pause_before_each(monkeypatch):
    pauses = []
    monkeypatch.setattr("encas.runtime.settling.time.sleep", pauses.append)
    ticks = iter(range(0, 10**12, 1_000_000))
    protocol = StabilityProtocol(window=5, pace_ms=20, min_window_ms=1000)
    found = measure(
        [lambda: None], name="x", protocol=protocol, stopwatch=Stopwatch(wall=lambda: next(ticks))
    )
    assert pauses == [0.02] * 15
    assert found.n_runs == 15 + 3
    assert found.times_ms.shape == (1, 15)


class Machine:
    """Two clocks; `stretch` gives how many times as long a call takes as undisturbed."""

    def __init__(self, stretch):
        self.took_ns = self.ran_ns = 0
        self.stretch = stretch
        self.stopwatch = Stopwatch(wall=lambda: self.took_ns, processor=lambda: self.ran_ns)

    def call(self, ran_ms, *, share=1.0):
        """A call of so much processor time, `share` times its wall time."""

        def run():
            self.ran_ns += int(ran_ms * 1e6)
            self.took_ns += int(ran_ms / share * next(self.stretch) * 1e6)

        return run

    def settling(self, ran_ms, *, n_threads, share=1.0, company=(), protocol=PROTOCOL):
        return Settling(
            [self.call(ran_ms, share=share)], name="it", protocol=protocol,
            stopwatch=self.stopwatch, n_threads=n_threads, company=company,
        )  # fmt: skip


def settled(settling):
    while not settling.is_settled:
        settling.step()
    return settling.found()


def busy(rng, quietest=2.0):
    """Stretches of a machine on which others run all the time."""
    while True:
        yield rng.uniform(quietest, 4.0)


def test_quiet_machine_counts_wall_time():
    found = settled(Machine(repeat(1.05)).settling(10.0, n_threads=1))
    assert (found.clock, found.n_windows) == ("wall", 3)
    assert found.typical_ms == pytest.approx(10.5)


def test_windows_that_agree_on_a_busy_machine_count_in_processor_time():
    found = settled(Machine(repeat(2.0)).settling(10.0, n_threads=1))
    assert (found.clock, found.n_windows) == ("processor", 6)
    assert found.typical_ms == pytest.approx(10.0)
    assert np.median(found.times_ms) == pytest.approx(20.0)


def test_calls_that_run_elsewhere_count_on_the_wall_whatever_this_process_does():
    found = settled(Machine(repeat(2.0)).settling(10.0, n_threads=None))
    assert (found.clock, found.n_windows, found.typical_ms) == ("wall", 3, 20.0)


def test_busy_machine_that_gets_quiet_counts_wall_time():
    stretches = chain(repeat(3.0, 3 + 2 * 5), repeat(1.0))
    found = settled(Machine(stretches).settling(10.0, n_threads=1))
    assert (found.clock, found.n_windows, found.typical_ms) == ("wall", 5, 10.0)


def test_networks_keep_their_ratios_on_a_busy_machine(rng):
    machine = Machine(busy(rng))
    found = [settled(machine.settling(13.0 * ratio, n_threads=1)) for ratio in RATIOS]
    assert [one.clock for one in found] == ["processor"] * 4
    times = np.array([one.typical_ms for one in found])
    assert times / times[0] == pytest.approx(RATIOS, rel=1e-6)
    disturbed = np.array([np.median(one.times_ms) for one in found])
    assert (disturbed > 1.9 * times).all()


def test_threads_share_is_learned_from_the_quietest_call(rng):
    stretches = chain.from_iterable([1.0, *rng.uniform(2.0, 4.0, 6)] for _ in iter(int, 1))
    found = settled(Machine(stretches).settling(10.0, n_threads=2, share=1.8))
    assert found.clock == "processor"
    assert found.typical_ms == pytest.approx(10.0 / 1.8, rel=1e-5)


def test_company_learns_the_share_together_so_that_ratios_stay(rng):
    # Only the last one ever runs undisturbed.
    company = []
    machines = [Machine(busy(rng)) for _ in RATIOS[1:]] + [Machine(repeat(1.0))]
    for machine, ratio in zip(machines, RATIOS, strict=True):
        company.append(machine.settling(13.0 * ratio, n_threads=2, share=1.8, company=company))
    while not all(one.is_settled for one in company):
        for one in company:
            if not one.is_settled:
                one.step()
    times = np.array([one.found().typical_ms for one in company])
    assert times == pytest.approx(13.0 / 1.8 * np.array(RATIOS), rel=1e-5)
    assert [one.found().clock for one in company] == ["processor"] * 3 + ["wall"]
    assert all(one.needs_company for one in company)


def test_short_calls_learn_the_share_alone():
    company = []
    short = Machine(repeat(1.0)).settling(0.1, n_threads=2, share=1.1, company=company)
    company += [short, Machine(repeat(1.0)).settling(9.0, n_threads=2, share=1.9, company=company)]
    found = [settled(one) for one in company]
    assert [one.clock for one in found] == ["wall"] * 2
    assert (short.needs_company, company[1].needs_company) == (False, True)


def test_share_is_never_more_than_there_are_threads():
    # Another thread of this process runs, too.
    found = settled(Machine(repeat(1.0)).settling(30.0, n_threads=2, share=3.0))
    assert found.typical_ms == pytest.approx(10.0)
    assert found.clock == "wall"


def test_processor_time_that_never_agrees_is_an_error(rng):
    machine = Machine(repeat(2.0))
    growing = (10.0 * 1.3**n for n in range(10) for _ in range(5))
    ran_ms = chain(repeat(10.0, 3), growing)

    def call():
        ms = next(ran_ms)
        machine.ran_ns += int(ms * 1e6)
        machine.took_ns += int(2 * ms * 1e6)

    with pytest.raises(ProfileError, match="10 windows never had 3 in a row within 10%"):
        measure([call], name="it", protocol=PROTOCOL, stopwatch=machine.stopwatch, n_threads=1)
