from dataclasses import replace

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.jobs.tuning.correction import LARGEST, Composed, fitted
from encas.latency import LatencyProfile, Setting, Timing

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
TIMES = {"a": {1: 1.0, 8: 4.0}, "b": {1: 5.0, 8: 20.0}, "c": {1: 9.0, 8: 50.0}}


def profile(*, gate: float = 1.0, **corrections: float) -> LatencyProfile:
    timings = [Timing.of(name, b, [ms]) for name, curve in TIMES.items() for b, ms in curve.items()]
    return LatencyProfile(
        setting=SETTING, timings=tuple(timings), gate_ms=0.1, call_ms=0.2, corrections=corrections,
        overhead_correction=gate,
    )  # fmt: skip


def measured(*members: str, reach: tuple[float, ...], truth: LatencyProfile) -> Composed:
    cascade = Cascade(members=members, thresholds=(0.5,) * (len(members) - 1))
    time_ms = truth.cascade_ms(members, reach, batch_size=8)
    return Composed(cascade=cascade, reach=reach, batch_size=8, measured_ms=time_ms)


def some(truth: LatencyProfile) -> list[Composed]:
    return [
        measured("a", reach=(1.0,), truth=truth),
        measured("a", "b", reach=(1.0, 0.5), truth=truth),
        measured("b", "c", reach=(1.0, 0.25), truth=truth),
        measured("a", "c", reach=(1.0, 0.75), truth=truth),
        measured("a", "b", "c", reach=(1.0, 0.5, 0.5), truth=truth),
    ]


def test_fitted_finds_the_factors_that_the_measurements_have():
    truth = profile(a=1.3, b=0.9, c=1.1)
    found = fitted(profile(), some(truth))
    assert found.corrections == pytest.approx({"a": 1.3, "b": 0.9, "c": 1.1}, abs=0.03)
    errors = [abs(one.error(found)) for one in some(truth)]
    assert np.median(errors) < 0.01 < np.median([abs(one.error(profile())) for one in some(truth)])


def test_fitted_where_all_is_as_predicted_leaves_everything():
    found = fitted(profile(), some(profile()))
    assert found.corrections == pytest.approx({"a": 1, "b": 1, "c": 1})
    assert found.overhead_correction == pytest.approx(1)


def test_fitted_tells_the_executor_from_the_members_where_these_are_short():
    short = {name: {b: ms / 100 for b, ms in curve.items()} for name, curve in TIMES.items()}
    timings = [Timing.of(n, b, [ms]) for n, curve in short.items() for b, ms in curve.items()]
    thought = replace(profile(), timings=tuple(timings))
    truth = replace(thought, overhead_correction=2.5)
    found = fitted(thought, some(truth) * 4)
    assert found.overhead_correction == pytest.approx(2.5, abs=0.2)
    assert max(abs(one.error(found)) for one in some(truth)) < 0.05


def test_fitted_does_not_build_upon_earlier_corrections():
    observed = some(profile(a=1.3, b=0.9, c=1.1))
    assert fitted(profile(gate=2.0, a=3.0), observed) == fitted(profile(), observed)


def test_fitted_knows_nothing_of_members_that_were_not_measured():
    assert set(fitted(profile(), some(profile())[:2]).corrections) == {"a", "b"}


def test_fitted_keeps_factors_within_reason():
    wild = [measured("a", reach=(1.0,), truth=profile(a=1000.0))] * 50
    assert fitted(profile(), wild).corrections["a"] <= LARGEST


def test_predicted_time_of_the_first_member_has_the_moving_of_the_batch():
    timing = Timing.of("a", 8, [4.0])
    moved = LatencyProfile(
        setting=SETTING,
        timings=(Timing(**{**_values(timing), "transfer_ms": 0.5}),),
    )
    composed = measured("a", reach=(1.0,), truth=profile())
    assert composed.predicted_ms(moved) == pytest.approx(4.5)


def _values(timing: Timing) -> dict:
    return {name: getattr(timing, name) for name in Timing.__slots__}
