"""`tune` as Python users call it; the circle itself is tested with the command."""

import pytest
from linear_loop import make_loop

from encas.errors import PoolError, SearchError
from encas.fronts.front import Front
from encas.jobs.tuning.tune_pool import tune
from encas.pools.pool import Pool
from encas.runtime.clock import StabilityProtocol

QUICK = {
    "batch_size": 2,
    "n_threads": 1,
    "n_measured": 2,
    "n_exported": 1,
    "rounds": 1,
    "protocol": StabilityProtocol(window=3, min_window_ms=0.001, tolerance=50, max_windows=500),
}


def test_tune_of_a_pool_leaves_a_front_and_a_bundle(tmp_path):
    loop = make_loop(tmp_path)
    report = tune(Pool.load(loop.pool), data=loop.data, out=str(tmp_path / "tuned"), **QUICK)
    assert (report.n_models, report.batch_size) == (3, 2)
    assert [path.name for path in report.bundles] == ["1"]
    assert Front.load(tmp_path / "tuned" / "front.json").objectives == ("error", "latency")


def test_tune_with_impossible_settings_is_refused(tmp_path):
    loop = make_loop(tmp_path)
    with pytest.raises(PoolError, match="does not say what it was built on; give --data DATA"):
        tune(loop.pool, out=tmp_path / "tuned", **QUICK)
    with pytest.raises(SearchError, match="must be at least 1"):
        tune(loop.pool, out=tmp_path / "tuned", **QUICK | {"rounds": 0})
    assert not (tmp_path / "tuned").exists()
