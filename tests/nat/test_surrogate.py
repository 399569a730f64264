import numpy as np
import pytest

pytest.importorskip("torch")

from encas.errors import SearchError
from encas.nat.surrogate import Quality, RbfEnsemble


def smooth(features):
    return np.stack([np.sin(features.sum(axis=1) / 4), (features**2).mean(axis=1)], axis=1)


@pytest.fixture
def features(rng):
    return rng.integers(0, 4, (120, 10)).astype(float)


def test_ensemble_predicts_points_that_it_was_not_fitted_on(features, rng):
    ensemble = RbfEnsemble.fit(features[:80], smooth(features[:80]), rng=rng, n_networks=60)
    predicted, measured = ensemble.predict(features[80:]), smooth(features[80:])
    for target in range(2):
        assert Quality.of(predicted[:, target], measured[:, target]).tau > 0.5


def test_a_batch_answers_as_its_points_one_by_one(features, rng):
    ensemble = RbfEnsemble.fit(features, smooth(features), rng=rng, n_networks=20)
    together = ensemble.predict(features[:10])
    alone = np.concatenate([ensemble.predict(features[i : i + 1]) for i in range(10)])
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_linear_targets_are_met_on_every_subset_that_sees_them(rng):
    features = rng.random((40, 1))
    targets = 3 * features + 1
    ensemble = RbfEnsemble.fit(features, targets, rng=rng, n_networks=5)
    np.testing.assert_allclose(ensemble.predict(np.array([[0.5]])), [[2.5]], atol=1e-3)


def test_equal_points_are_refused(rng):
    with pytest.raises(SearchError, match="different points, got 3 that are all the same"):
        RbfEnsemble.fit(np.ones((3, 2)), np.ones((3, 1)), rng=rng)


def test_quality_of_constant_predictions_has_no_rank_correlation():
    quality = Quality.of(np.zeros(4), np.array([0.0, 2.0, 0.0, 2.0]))
    assert quality == Quality(tau=0.0, rmse=2**0.5, n=4)
