from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError, ProfileError
from encas.evaluate.counts import Counts
from encas.evaluate.objectives import TopOneError, cost_objective, front_costs
from encas.latency import LatencyProfile, Setting, Timing

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})


def profile_of(times: dict[str, dict[int, float]], gate_ms: float = 0.0) -> LatencyProfile:
    timings = [
        Timing(name=name, batch_size=b, p50_ms=ms, p90_ms=ms, p99_ms=ms)
        for name, curve in times.items()
        for b, ms in curve.items()
    ]
    return LatencyProfile(setting=SETTING, timings=tuple(timings), gate_ms=gate_ms)


@pytest.fixture
def counts() -> tuple[np.ndarray, Counts]:
    members = np.array([[0, 2, -1], [1, -1, -1], [0, 1, 2]])
    reached = np.array([[8, 2, 0], [8, 0, 0], [8, 4, 1]])
    return members, Counts(correct=np.array([8, 4, 7]), reached=reached)


def test_error_is_the_share_of_wrong_answers(counts):
    assert TopOneError().values(*counts, n_samples=8).tolist() == [0, 0.5, 0.125]


def test_linear_cost_is_reach_times_cost(tiny_pool, counts):
    macs = cost_objective("macs", tiny_pool)
    assert macs.values(*counts, n_samples=8).tolist() == [6e6, 4e6, 5.5e6]


def test_cost_prefix_names_a_pool_cost(tiny_pool, counts):
    params = cost_objective("cost_params", tiny_pool)
    assert params.values(*counts, n_samples=8).tolist() == [8.5e3, 5e3, 7.25e3]


def test_latency_cost_equals_profile_prediction(tiny_pool, counts):
    curve = {1: 1.0, 4: 2.0, 16: 5.0}
    times = {
        n: {b: ms * s for b, ms in curve.items()}
        for n, s in zip(tiny_pool.names, (1, 3, 9), strict=True)
    }
    profile = profile_of(times, gate_ms=0.25)
    moving = tuple(replace(timing, transfer_ms=0.5) for timing in profile.timings)
    profile = replace(profile, timings=moving)
    latency = cost_objective("latency", tiny_pool, profile=profile, batch_size=8)
    values = latency.values(*counts, n_samples=8)
    members, c = counts
    for i, value in enumerate(values):
        names = [tiny_pool.names[m] for m in members[i] if m >= 0]
        reach = (c.reached[i, : len(names)] / 8).tolist()
        assert value == pytest.approx(profile.cascade_ms(names, reach, batch_size=8), rel=1e-12)


def test_latency_at_batch_size_one_is_reach_times_time(tiny_pool, counts):
    profile = profile_of({name: {1: 2.0} for name in tiny_pool.names}, gate_ms=0.5)
    values = cost_objective("latency", tiny_pool, profile=profile).values(*counts, n_samples=8)
    assert values.tolist() == [2 + 0.5 + 0.5, 2, 2 + 0.5 + 1 + 0.25 + 0.25]


def test_latency_without_profile_is_refused(tiny_pool):
    with pytest.raises(ProfileError, match="latency needs measured times: give --profile"):
        cost_objective("latency", tiny_pool)


def test_latency_profile_lacking_a_model_is_refused(tiny_pool):
    profile = profile_of({"cheap": {1: 1.0}, "dear": {1: 1.0}})
    with pytest.raises(ProfileError, match=r"1 of 3 models were not measured \(first: middle\)"):
        cost_objective("latency", tiny_pool, profile=profile)


def test_latency_profile_of_smaller_batches_is_refused(tiny_pool):
    profile = profile_of({name: {1: 1.0, 4: 2.0} for name in tiny_pool.names})
    with pytest.raises(ProfileError, match="measured up to batch size 4, asked for 8 rows"):
        cost_objective("latency", tiny_pool, profile=profile, batch_size=8)


def test_unknown_cost_is_refused(tiny_pool):
    with pytest.raises(PoolError, match="no cost 'joules'"):
        cost_objective("cost_joules", tiny_pool)


def test_front_costs_add_what_the_pool_knows(tiny_pool):
    profile = profile_of({name: {1: 1.0} for name in tiny_pool.names})
    costs = front_costs(("error", "macs"), tiny_pool, profile=profile)
    assert [cost.name for cost in costs] == ["macs", "params", "latency"]
