import numpy as np
import pytest

from encas.errors import ProfileError
from encas.manifest import Manifest
from encas.runtime.bench import MIN_BATCHES, MIN_SAMPLES, batches_of, bench, profiled_sizes
from encas.runtime.clock import StabilityProtocol
from encas.runtime.loading import load, open_members
from encas.runtime.profiler import Target, profile_members

PATIENT = StabilityProtocol(tolerance=3.0, max_windows=40, min_window_ms=1.0)


def profile_of(bundle, sizes, **values):
    sessions = open_members(bundle, Manifest.load(bundle))
    targets = [Target(name=s.info.name, open=lambda s=s: s) for s in sessions]
    return profile_members(targets, sizes, protocol=PATIENT, **values)


def test_bench_of_a_bundle_has_prediction_and_measurement_of_the_same_samples(bundle, samples):
    runner = load(bundle)
    profile = profile_of(bundle, profiled_sizes(4))
    batches = [samples[rows] for rows in batches_of(60, 4, rng=np.random.default_rng(0))]
    found = bench(runner, batches, profile, name="linear", data="samples", protocol=PATIENT)
    stage = np.concatenate([runner(batch).stage for batch in batches])
    reach = [1.0, float((stage > 1).mean()), float((stage > 2).mean())]
    latency = found.latency
    assert latency.reach == pytest.approx(reach)
    assert latency.predicted_ms == pytest.approx(
        profile.cascade_ms(runner.cascade.members, reach, batch_size=4)
    )
    assert latency.mean_ms > 0
    assert (latency.data, latency.timing.batch_size, latency.timing.name) == (
        "samples", 4, "linear",
    )  # fmt: skip
    assert latency.setting == runner.info.setting
    assert [member.name for member in found.members] == list(runner.cascade.members)
    assert found.prediction_error == pytest.approx(latency.predicted_ms / latency.mean_ms - 1)
    assert found.padding_waste == 0


def test_bench_with_a_profile_of_another_setting_is_refused(bundle, samples):
    runner = load(bundle, n_threads=1)
    sessions = open_members(bundle, Manifest.load(bundle))
    if sessions[0].info.setting.n_threads == 1:
        pytest.skip("there is only one processor")
    profile = profile_of(bundle, [1])
    with pytest.raises(ProfileError, match="n_threads was"):
        bench(runner, [samples[:1]], profile, name="x", data="y", protocol=PATIENT)


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, (1,)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_profiled_sizes_are_powers_of_two_and_the_size(batch_size, sizes):
    assert profiled_sizes(batch_size) == sizes


def test_batches_are_enough_and_no_sample_twice(rng):
    rows = batches_of(10_000, 1, rng=rng)
    assert rows.shape == (MIN_SAMPLES, 1)
    assert len(np.unique(rows)) == MIN_SAMPLES
    assert batches_of(10_000, 32, rng=rng).shape == (MIN_BATCHES, 32)
    assert batches_of(100, 32, rng=rng).shape == (3, 32)


def test_batches_of_too_few_samples_are_refused(rng):
    with pytest.raises(ProfileError, match="a batch of 8 needs as many samples, got 7"):
        batches_of(7, 8, rng=rng)
