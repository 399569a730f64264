"""Files of the version before are read, and mean what they meant."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from encas.fronts.front import Front
from encas.fronts.scoring import evaluate_front
from encas.latency import LatencyProfile
from encas.manifest import Manifest
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool

GOLDEN = Path(__file__).with_name("golden") / "0.1.0"


@pytest.fixture
def linear(tmp_path) -> Path:
    return Path(shutil.copytree(GOLDEN / "linear", tmp_path / "linear"))


@pytest.mark.parametrize("name", ["pool", "built"])
def test_pool_is_whole_and_the_same(linear, name):
    pool = check_pool(linear / name)
    again = pool.save(linear / "again")
    assert again.sha256 == pool.sha256
    assert pool.n_samples == 60
    assert pool.names == {"pool": ("small", "medium", "large"), "built": ("small", "large")}[name]


def test_outputs_that_were_built_are_those_that_were_imported(linear):
    imported, built = Pool.load(linear / "pool"), Pool.load(linear / "built")
    for name in built.names:
        expected = imported.probabilities(imported.index(name))
        np.testing.assert_allclose(built.probabilities(built.index(name)), expected, atol=1e-6)


def test_compressed_pool_scores_as_the_whole_one(linear):
    front = Front.load(linear / "front.json")
    scored = [evaluate_front(front, Pool.load(linear / name)) for name in ("pool", "compressed")]
    assert [s.cascade for s in scored[0].cascades] == [s.cascade for s in front.cascades]
    np.testing.assert_array_equal(scored[0].points, front.points)
    np.testing.assert_array_equal(scored[1].points, front.points)


def test_search_finds_what_it_found(linear, encas):
    stored = Front.load(linear / "searched.json")
    limits = ("--evaluations", 2000, "--max-members", 2, "--seed", 1)
    assert encas("search", linear / "built", "--out", linear / "f.json", *limits).code == 0
    assert Front.load(linear / "f.json").cascades == stored.cascades


def test_profile_predicts_what_it_predicted(linear):
    profile = LatencyProfile.load(linear / "profile.json")
    assert profile.members == ("small", "large")
    profile.save(linear / "again.json")
    assert (linear / "again.json").read_text() == (linear / "profile.json").read_text()


def test_bundle_is_proven_again_and_decides_as_it_did(linear, encas):
    data = f"npz:{linear / 'data.npz'}"
    verdict = encas("verify", linear / "bundle", "--data", data, "--pool", linear / "pool")
    assert verdict.code == 0, verdict.err
    out = linear / "predictions.npz"
    assert encas("run", linear / "bundle", "--data", data, "--out", out).code == 0
    with np.load(out) as found, np.load(linear / "data.npz") as stated:
        right = (found["label"] == stated["label"]).mean()
    expected = Manifest.load(linear / "bundle").expected[-1]
    assert right == pytest.approx(expected.accuracy)


def test_subnets_are_built_from_specs_of_the_version_before(tmp_path, encas):
    pytest.importorskip("torch")
    shutil.copytree(GOLDEN / "nat", tmp_path / "nat")
    pool = Pool.load(tmp_path / "nat" / "pool")
    assert all(model.source.startswith("torch:encas.search.nat.subnets:") for model in pool.models)
    again = tmp_path / "nat" / "again"
    made = encas("nat", "pool", tmp_path / "nat" / "run", "--out", again)
    assert made.code == 0, made.err
    for index, output in enumerate(Pool.load(again).outputs):
        np.testing.assert_allclose(output, pool.outputs[index], atol=1e-5)
    front, bundle = tmp_path / "front.json", tmp_path / "bundle"
    limits = ("--evaluations", 200, "--max-members", 2, "--seed", 1)
    assert encas("search", pool.path, "--out", front, *limits).code == 0
    options = ("--exporter", "legacy", "--knee")
    exported = encas("export", front, pool.path, "--out", bundle, *options)
    assert exported.code == 0, exported.err
