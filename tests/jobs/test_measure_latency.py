"""`profile_models` as Python users call it; what is measured is tested with the command."""

import pytest

from encas.errors import PoolError, ProfileError
from encas.jobs.export_front import export_bundle
from encas.jobs.measure_latency import profile_models
from encas.latency import LatencyProfile
from encas.runtime.clock import StabilityProtocol

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


def test_profile_of_what_is_not_there_is_refused(loop, tmp_path):
    with pytest.raises(ProfileError, match="there is no model tiny; there are: small, medium"):
        profile_models(loop.pool, models=["tiny"], out=tmp_path / "p.json")
    with pytest.raises(PoolError, match="no such pool folder"):
        profile_models(tmp_path / "nothing", out=tmp_path / "p.json")
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got dict"):
        profile_models({}, out=tmp_path / "p.json")
