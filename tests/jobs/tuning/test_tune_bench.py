import numpy as np
import pytest

from encas.cascade import Cascade, decide, reach_of
from encas.data.dataset import Dataset
from encas.errors import ProfileError
from encas.fronts.scored_cascade import ScoredCascade
from encas.jobs.tuning.tune_bench import Conditions, TuneBench
from encas.latency import LatencyProfile, Timing
from encas.runtime.clock import StabilityProtocol
from encas.runtime.session import NO_DEVICE, FakeSession

PROTOCOL = StabilityProtocol(window=3, min_window_ms=0.001, tolerance=50, max_windows=500)
TIMES = {"cheap": 1.0, "middle": 4.0, "dear": 9.0}
PROFILE = LatencyProfile(
    setting=NO_DEVICE,
    timings=tuple(Timing.of(name, size, [ms]) for name, ms in TIMES.items() for size in (1, 2, 4)),
)
ONE = Cascade(members=("cheap",), thresholds=())
TWO = Cascade(members=("cheap", "dear"), thresholds=(0.5,))


@pytest.fixture
def sessions(tiny_pool):
    return {
        name: FakeSession(np.array(tiny_pool.probabilities(index)), name=name)
        for index, name in enumerate(tiny_pool.names)
    }


@pytest.fixture
def bench(tiny_pool, sessions) -> TuneBench:
    return bench_of(tiny_pool, sessions, batch_size=4)


def bench_of(pool, sessions, *, batch_size) -> TuneBench:
    data = Dataset(
        name="rows", label=pool.label, sample_shape=(), dtype="int64", read=lambda rows: rows
    )
    conditions = Conditions(device="cpu", batch_size=batch_size, protocol=PROTOCOL, data="rows")
    return TuneBench(sessions.__getitem__, data, conditions)


def scored(cascade: Cascade) -> ScoredCascade:
    return ScoredCascade(
        cascade=cascade, error=0.25, cost=1.0, reach=(1.0,) * cascade.n_stages, costs={"macs": 7.0}
    )


def test_timed_cascade_says_what_was_predicted_and_measured(bench):
    found = bench.timed(scored(ONE), PROFILE)
    assert (found.cascade, found.error, found.macs) == (ONE, 0.25, 7.0)
    assert found.predicted_ms == TIMES["cheap"]
    assert found.measured_ms > 0


def test_cascade_that_was_measured_is_not_measured_again(bench, sessions):
    first = bench.timed(scored(TWO), PROFILE)
    n_calls = [len(session.calls) for session in sessions.values()]
    assert n_calls[1] == 0
    again = bench.timed(scored(TWO), PROFILE)
    assert again == first
    assert [len(session.calls) for session in sessions.values()] == n_calls
    assert [one.cascade for one in bench.known] == [TWO]


def test_known_cascades_have_the_reach_of_the_timed_samples(bench, tiny_pool):
    """Eight samples in batches of four: all of them are timed."""
    bench.timed(scored(TWO), PROFILE)
    outputs = [tiny_pool.probabilities(index) for index in (0, 2)]
    decision = decide(TWO, lambda j, rows: outputs[j][rows], n_samples=8)
    (known,) = bench.known
    assert known.reach == pytest.approx(tuple(reach_of(decision.stage, n_stages=2)))
    assert known.batch_size == 4


def test_latency_for_a_manifest_has_the_prediction_of_the_given_profile(bench):
    bench.timed(scored(ONE), PROFILE)
    corrected = LatencyProfile(
        setting=NO_DEVICE, timings=PROFILE.timings, corrections={"cheap": 1.5}
    )
    latency = bench.latency(ONE, corrected)
    assert (latency.predicted_ms, latency.data, latency.reach) == (1.5, "rows", (1.0,))
    with pytest.raises(KeyError):
        bench.latency(TWO, PROFILE)


def test_cascades_in_turns_have_a_time_each(bench, sessions):
    times = bench.in_turns([ONE, TWO])
    assert len(times) == 2
    assert min(times) > 0
    assert len(sessions["cheap"].calls) > len(sessions["dear"].calls) > 0
    assert bench.known == []


def test_fewer_samples_than_a_batch_are_refused(tiny_pool, sessions):
    with pytest.raises(ProfileError, match="a batch of 9 needs as many samples, got 8"):
        bench_of(tiny_pool, sessions, batch_size=9)
