import numpy as np
import pytest
from scipy.stats import beta, binom

from encas.cascade import Cascade
from encas.errors import FrontError, PoolError
from encas.evaluate.dense import decide_on
from encas.evaluate.stage_table import StageTable
from encas.fronts.accuracy_drop import drop_p_value
from encas.fronts.certify import (
    certify_accuracy,
    certify_drop,
    fixed_sequence,
    level_for_another_split,
    threshold_path,
)
from encas.pools.pool import Pool

CASCADE = Cascade(members=("small", "large"), thresholds=(0.7,))


def draw(rng: np.random.Generator, n: int) -> Pool:
    """A small model that knows when it is unsure, and a large one that is right more often."""
    label = rng.integers(3, size=n)
    logits = rng.normal(size=(2, n, 3))
    logits[0, np.arange(n), label] += rng.exponential(1.5, size=n)
    logits[1, np.arange(n), label] += 2.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return Pool.of(
        outputs=probabilities.astype(np.float32),
        label=label,
        names=["small", "large"],
        costs={"macs": [1.0, 10.0]},
        name="held out",
    )


def test_certify_accuracy_is_the_exact_binomial_bound(rng):
    pool = draw(rng, 500)
    certificate = certify_accuracy(CASCADE, pool, risk=0.05)
    n_correct = int((decide_on(CASCADE, pool).label == pool.label).sum())
    assert certificate.n_correct == n_correct
    assert certificate.at_least == pytest.approx(beta.ppf(0.05, n_correct, 501 - n_correct))
    assert "accuracy at least" in str(certificate)
    assert certificate.to_json()["n_samples"] == 500


def test_certify_drop_returns_the_last_thresholds_of_the_path_that_pass(rng):
    pool = draw(rng, 3000)
    options = {"reference_model": "large", "max_drop": 0.08, "risk": 0.1, "population_only": True}
    certified, certificate = certify_drop(CASCADE, pool, **options)
    reference = pool.probabilities(1).argmax(axis=1) == pool.label
    right = decide_on(certified, pool).label == pool.label
    assert certificate.n_lost == (reference & ~right).sum()
    assert certificate.n_gained == (right & ~reference).sum()
    assert certificate.p_value == drop_p_value(
        certificate.n_lost, certificate.n_gained, 3000, max_drop=0.08
    )
    assert certificate.p_value <= 0.1
    path = threshold_path(CASCADE.thresholds)
    place = path.index(certified.thresholds)
    assert place == certificate.n_tests - 1
    assert certified.thresholds < CASCADE.thresholds, "so easy a drop allows more exits"
    table = StageTable.of(CASCADE, pool)
    assert (
        fixed_sequence(path[: place + 1], table, reference, max_drop=0.08, level=0.1) == place + 1
    )
    assert fixed_sequence(path, table, reference, max_drop=0.08, level=0.1) == place + 1
    _, safer = certify_drop(CASCADE, pool, **(options | {"population_only": False}))
    assert safer.n_tests < certificate.n_tests
    assert (safer.risk, safer.level) == (0.1, level_for_another_split(0.1))


def test_certify_drop_keeps_its_risk():
    """Many splits of one known population: it is wrong no more often than it says."""
    population = draw(np.random.default_rng(0), 200_000)
    reference = population.probabilities(1).argmax(axis=1) == population.label
    table = StageTable.of(CASCADE, population)
    path = threshold_path(CASCADE.thresholds)[::10]
    rights = np.stack([table.right(thresholds) for thresholds in path])
    rng = np.random.default_rng(1)
    risk, max_drop, n_splits = 0.2, 0.05, 120
    wrong = dict.fromkeys(("population", "another split, not asked for", "another split"), 0)
    for _ in range(n_splits):
        rows, others = rng.integers(200_000, size=(2, 1000))
        split = (path, table.take(rows), reference[rows])
        passed = fixed_sequence(*split, max_drop=max_drop, level=risk)
        assert passed > 0
        safer = fixed_sequence(*split, max_drop=max_drop, level=level_for_another_split(risk))
        assert safer <= passed
        lost = reference[:, None].astype(int) - rights[[passed - 1, safer - 1]].T
        shown = lost[:, 0].mean(), lost[others, 0].mean(), lost[others, 1].mean()
        for name, drop in zip(wrong, shown, strict=True):
            wrong[name] += drop > max_drop
    allowed = binom.ppf(0.999, n_splits, risk)
    assert wrong["population"] <= allowed
    assert wrong["another split"] <= allowed
    # Not for want of trying: the population comes near the risk, and a split shows what it should.
    assert wrong["population"] >= 0.25 * risk * n_splits
    assert wrong["another split, not asked for"] > wrong["another split"]


@pytest.mark.parametrize(("risk", "level"), [(0.05, 0.01), (0.2, 0.117), (0.5, 0.5), (0.9, 0.9)])
def test_level_for_another_split_is_never_above_the_risk(risk, level):
    assert level_for_another_split(risk) == pytest.approx(level, abs=2e-4)


def test_certify_drop_impossible_demand_names_what_is_missing(rng):
    cascade = Cascade(members=("small",), thresholds=())
    options = {"reference_model": "large", "max_drop": 0.01, "risk": 0.05}
    with pytest.raises(
        FrontError, match=r"no thresholds of small can be .* choose a more accurate"
    ):
        certify_drop(cascade, draw(rng, 300), **options)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"risk": 0.0}, FrontError, r"risk must be in \(0, 1\), got 0"),
        ({"max_drop": 1.0}, FrontError, r"drop must be in \[0, 1\), got 1"),
        ({"reference_model": "x"}, PoolError, "no model 'x'"),
    ],
)
def test_certify_drop_bad_demand_is_refused(rng, change, error, match):
    options = {"reference_model": "large", "max_drop": 0.01, "risk": 0.05}
    with pytest.raises(error, match=match):
        certify_drop(CASCADE, draw(rng, 50), **(options | change))


def test_threshold_path_runs_from_safe_over_the_own_to_cheap():
    path = threshold_path((0.6, 0.3))
    assert path[0] == (1.0, 1.0)
    assert (0.6, 0.3) in path
    assert path[-1] == (0.0, 0.0)
    assert (np.diff(np.array(path), axis=0) <= 0).all()
    assert threshold_path(()) == [()]
