"""The whole circle on linear models, as far as it is not told by `tune`'s own tests."""

from dataclasses import replace

import numpy as np
import pytest
from linear_loop import Loop, make_loop

from encas.errors import PoolError
from encas.files import json_text
from encas.jobs.measure_latency import MeasureOptions
from encas.jobs.tuning.tune_flow import run_tuning
from encas.jobs.tuning.tune_settings import TuneSettings
from encas.latency import LatencyProfile
from encas.manifest import Manifest
from encas.pools.pool import Pool
from encas.runtime.clock import StabilityProtocol
from encas.runtime.placement import Placement
from encas.search.options import SearchOptions

PROTOCOL = StabilityProtocol(window=3, min_window_ms=0.001, tolerance=50, max_windows=500)
SETTINGS = TuneSettings(
    batch_size=2,
    measuring=MeasureOptions(placement=Placement(n_threads=1), protocol=PROTOCOL),
    searching=SearchOptions(evaluations=200),
    every_model=True,
    n_measured=2,
    n_exported=1,
    rounds=1,
)


@pytest.fixture
def loop(tmp_path) -> Loop:
    return make_loop(tmp_path)


def test_profile_that_lies_there_is_gone_on_with_but_for_its_corrections(loop, tmp_path):
    out, pool = tmp_path / "tuned", Pool.load(loop.pool)
    first = run_tuning(pool, out, settings=SETTINGS, data=loop.data)
    assert first.profiled == pool.names
    profile = LatencyProfile.load(out / "profile.json")
    assert profile.batch_sizes("small") == (1, 2)
    wrong = replace(profile, corrections={"small": 3.5}, overhead_correction=2.5)
    wrong.save(out / "profile.json")
    again = run_tuning(pool, out, settings=SETTINGS, data=loop.data)
    assert LatencyProfile.load(out / "profile.json").timings == profile.timings
    assert (again.corrections, again.overhead_correction) == ({}, 1.0)
    assert (out / "tune.json").read_text() == json_text(again.to_json())


def test_outputs_are_computed_again_where_they_are_not_those_of_the_provider(loop, tmp_path):
    pool = Pool.load(loop.pool)
    outputs = [np.array(output) for output in pool.outputs]
    outputs[1] = 0.99 * outputs[1] + 0.01 / pool.n_classes
    wrong = Pool.of(outputs=outputs, label=pool.label, models=pool.models, name="tf32")
    wrong = wrong.save(loop.pool, overwrite=True)
    out = tmp_path / "tuned"
    report = run_tuning(wrong, out, settings=SETTINGS, data=loop.data)
    assert report.recomputed == ("medium",)
    assert [one.agrees for one in report.numerics] == [True, False, True]
    deployed = Pool.load(out / "pool")
    assert np.allclose(deployed.outputs[1], pool.outputs[1], atol=1e-6)
    assert np.array_equal(deployed.outputs[0], pool.outputs[0])
    for bundle in report.bundles:
        assert not any(proof.unexplained for proof in Manifest.load(bundle).proof)


def test_pool_that_does_not_name_its_data_is_refused_before_anything_is_written(loop, tmp_path):
    with pytest.raises(PoolError, match="pool: the pool does not say what it was built on"):
        run_tuning(Pool.load(loop.pool), tmp_path / "tuned", settings=SETTINGS)
    assert not (tmp_path / "tuned").exists()
