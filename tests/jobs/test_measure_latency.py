"""Profiles as Python users make them, and what is kept of measuring that is stopped."""

from functools import partial

import numpy as np
import pytest

from encas.errors import PoolError, ProfileError
from encas.jobs.export_front import export_bundle
from encas.jobs.measure_latency import (
    MeasureOptions,
    bench_bundle,
    profile_models,
    profile_targets,
)
from encas.latency import LatencyProfile
from encas.runtime.clock import StabilityProtocol
from encas.runtime.placement import Placement
from encas.runtime.profiler import Target
from encas.runtime.session import NO_DEVICE, NullSession, SessionInfo

QUICK = {
    "n_threads": 1,
    "protocol": StabilityProtocol(window=3, min_window_ms=0.001, tolerance=50, max_windows=500),
}


def test_profile_of_a_pool_is_written_and_gone_on_with(held, loop, tmp_path):
    file = tmp_path / "profile.json"
    first = profile_models(held, models=["small"], out=file, **QUICK)
    assert {(t.name, t.batch_size) for t in first.timings} == {("small", 1), ("small", 8)}
    whole = profile_models(str(loop.pool), batch_sizes=[1], out=str(file), **QUICK)
    assert whole == LatencyProfile.load(str(file))
    assert set(whole.members) == {"small", "medium", "large"}
    assert set(first.timings) <= set(whole.timings)


def test_profile_of_a_bundle_is_that_of_its_members(loop, tmp_path):
    export_bundle(loop.front, loop.pool, index=1, out=tmp_path / "bundle")
    found = profile_models(tmp_path / "bundle", batch_sizes=[2], out=tmp_path / "p.json", **QUICK)
    assert found.members == ("small", "large")


def test_bench_on_a_part_of_the_data_times_no_more_of_it(loop, tmp_path):
    export_bundle(loop.front, loop.pool, index=1, out=tmp_path / "bundle")
    options = MeasureOptions(placement=Placement(n_threads=1), protocol=QUICK["protocol"])
    given = {"options": options, "data": loop.data}
    (whole,) = bench_bundle(tmp_path / "bundle", [1], **given)
    (part,) = bench_bundle(tmp_path / "bundle", [1], limit=4, **given)
    assert len(part.latency.reach) == len(whole.latency.reach) == 2
    assert all(4 * share == round(4 * share) for share in part.latency.reach)
    with pytest.raises(ProfileError, match="a batch of 8 needs as many samples, got 4"):
        bench_bundle(tmp_path / "bundle", [8], limit=4, **given)


def test_profile_of_what_is_not_there_is_refused(loop, tmp_path):
    with pytest.raises(ProfileError, match="there is no model tiny; there are: small, medium"):
        profile_models(loop.pool, models=["tiny"], out=tmp_path / "p.json")
    with pytest.raises(PoolError, match="no such pool folder"):
        profile_models(tmp_path / "nothing", out=tmp_path / "p.json")
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got dict"):
        profile_models({}, out=tmp_path / "p.json")


# Any three windows agree: what is measured does not matter here.
PROTOCOL = StabilityProtocol(window=3, min_window_ms=0.001, tolerance=1000.0)
OPTIONS = MeasureOptions(protocol=PROTOCOL)


def opened(name, event):
    event(name)
    info = SessionInfo(
        name=name, input_shape=(2,), input_dtype="float32", n_classes=2, setting=NO_DEVICE
    )
    return NullSession(np.full((8, 2), 0.5, np.float32), info)


def targets(names, event=lambda _name: None):
    return [Target(name=name, open=partial(opened, name, event)) for name in names]


def kept(path):
    return [(timing.name, timing.batch_size) for timing in LatencyProfile.load(path).timings]


def test_ctrl_c_keeps_the_times_so_far_and_the_same_call_goes_on(tmp_path, ctrl_c):
    out, names = tmp_path / "profile.json", []

    def pressing(name):
        names.append(name)
        if name == "b":
            ctrl_c()

    with pytest.raises(KeyboardInterrupt, match="holds the times so far: the same command goes on"):
        profile_targets(targets("abc", pressing), [1, 2], out=out, options=OPTIONS)
    assert kept(out) == [("a", 1), ("a", 2)]
    profile_targets(targets("abc", names.append), [1, 2], out=out, options=OPTIONS)
    assert kept(out) == [(name, size) for name in "abc" for size in (1, 2)]
    assert names == ["a", "b", "b", "c"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_error_keeps_the_times_so_far(tmp_path, error):
    def failing(name):
        if name == "b":
            raise error

    with pytest.raises(error):
        profile_targets(targets("ab", failing), [1], out=tmp_path / "p.json", options=OPTIONS)
    assert kept(tmp_path / "p.json") == [("a", 1)]


def test_profile_that_knows_all_is_not_written_again(tmp_path):
    out, heard = tmp_path / "profile.json", []
    first = profile_targets(targets("a"), [1], out=out, options=OPTIONS)
    before = out.stat().st_mtime_ns
    again = profile_targets(targets("a"), [1], out=out, options=OPTIONS, on_progress=heard.append)
    assert again == first
    assert out.stat().st_mtime_ns == before
    assert [(each.done, each.total) for each in heard] == [(1, 1)]
