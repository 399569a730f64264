import numpy as np
import pytest

from encas.timings import MAX_SAMPLES, Timing


def test_timing_of_samples_has_their_percentiles():
    timing = Timing.of("a", 2, list(range(1, 102)), sha256="s", source="onnx:a")
    assert (timing.p50_ms, timing.p90_ms, timing.p99_ms) == (51, 91, 100)
    assert timing.samples_ms == tuple(range(1, 102))
    assert (timing.sha256, timing.source) == ("s", "onnx:a")


def test_timing_of_many_samples_keeps_evenly_spread_ones_and_all_percentiles():
    samples = np.linspace(1, 2, 10 * MAX_SAMPLES).tolist()
    timing = Timing.of("a", 1, samples)
    assert len(timing.samples_ms) == MAX_SAMPLES
    assert timing.samples_ms[1] == pytest.approx(samples[10], abs=1e-6)
    assert timing.p99_ms == pytest.approx(1.99)


def test_timing_keeps_a_thousand_samples_of_every_nanosecond():
    assert len(Timing.of("a", 1, [1.0] * 1000).samples_ms) == 1000
    assert len(Timing.of("a", 1, [1.0] * 1001).samples_ms) == 501
    assert Timing.of("a", 1, [0.1234567]).samples_ms == (0.123457,)


def test_timing_that_was_disturbed_has_another_median_and_keeps_the_rest():
    timing = Timing.of("a", 1, [2.0, 3.0, 4.0], clock="processor", undisturbed_ms=1.5)
    assert (timing.p50_ms, timing.p90_ms) == (1.5, pytest.approx(3.8))
    assert timing.samples_ms == (2.0, 3.0, 4.0)
    assert (timing.is_disturbed, timing.stretch) == (True, 2.0)


def test_timing_on_the_wall_is_its_own_median_whatever_else_is_known():
    timing = Timing.of("a", 1, [2.0, 3.0, 4.0], undisturbed_ms=1.5)
    assert (timing.p50_ms, timing.is_disturbed, timing.stretch) == (3.0, False, 1.0)
    assert Timing(name="a", batch_size=1, p50_ms=1, p90_ms=1, p99_ms=1).stretch == 1.0
