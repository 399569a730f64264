import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from encas.errors import SearchError
from encas.evaluate.class_metrics import METRICS, MisclassificationCost, metric_of


@pytest.fixture
def labels(rng) -> tuple[np.ndarray, np.ndarray]:
    label = rng.choice(4, size=300, p=[0.6, 0.2, 0.15, 0.05])
    predicted = np.where(rng.random(300) < 0.7, label, rng.integers(0, 4, 300))
    return predicted, label


def test_balanced_error_equals_scikit_learn(labels):
    expected = 1 - balanced_accuracy_score(labels[1], labels[0])
    assert METRICS["balanced"].error(*labels, n_classes=4) == pytest.approx(expected, abs=1e-12)


def test_macro_f1_error_equals_scikit_learn(labels):
    expected = 1 - f1_score(labels[1], labels[0], average="macro")
    assert METRICS["macro-f1"].error(*labels, n_classes=4) == pytest.approx(expected, abs=1e-12)


def test_classes_that_never_occur_are_left_out():
    label = np.array([0, 0, 2])
    assert METRICS["balanced"].error(label, label, n_classes=5) == 0
    assert METRICS["macro-f1"].error(label, label, n_classes=5) == 0


def test_cost_matrix_is_a_share_of_the_dearest_mistake(tmp_path):
    (tmp_path / "costs.csv").write_text("0,1\n4,0\n")
    metric = metric_of(f"cost:{tmp_path / 'costs.csv'}")
    assert metric is not None
    error = metric.error(np.array([1, 0, 1]), np.array([0, 1, 1]), n_classes=2)
    assert error == pytest.approx((1 + 4 + 0) / 4 / 3)


def test_cost_matrix_of_zero_one_costs_is_the_top_one_error(labels):
    metric = MisclassificationCost(matrix=1.0 - np.eye(4), name="cost:x")
    assert metric.error(*labels, n_classes=4) == pytest.approx((labels[0] != labels[1]).mean())


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("0,1,2\n1,0,1\n", r"must be square, got \[2, 3\]"),
        ("0,-1\n1,0\n", "finite, >= 0"),
        ("0,0\n0,0\n", "not all 0"),
        ("a,b\n", "numbers separated by commas"),
    ],
)
def test_cost_matrix_with_a_fault_is_refused(tmp_path, text, match):
    (tmp_path / "costs.csv").write_text(text)
    with pytest.raises(SearchError, match=match):
        metric_of(f"cost:{tmp_path / 'costs.csv'}")


def test_cost_matrix_of_other_classes_is_refused(labels):
    metric = MisclassificationCost(matrix=1.0 - np.eye(3), name="cost:x")
    with pytest.raises(SearchError, match="expected a cost matrix of 4 classes, got 3"):
        metric.error(*labels, n_classes=4)


def test_unknown_metric_is_refused():
    with pytest.raises(SearchError, match="metric must be one of top1, balanced, macro-f1"):
        metric_of("auc")


def test_missing_cost_file_is_refused(tmp_path):
    with pytest.raises(SearchError, match="no such file"):
        metric_of(f"cost:{tmp_path / 'none.csv'}")


def test_top_one_needs_no_metric():
    assert metric_of("top1") is None
