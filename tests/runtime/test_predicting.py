import numpy as np
import pytest

from encas.cascade import Cascade
from encas.data.dataset import Dataset
from encas.runtime.batching import Batching
from encas.runtime.executor import Runner
from encas.runtime.predicting import predict, save_predictions
from encas.runtime.session import FakeSession


@pytest.fixture
def runner(rng) -> Runner:
    outputs = [rng.dirichlet([0.5, 0.5, 0.5], 50).astype(np.float32) for _ in range(2)]
    cascade = Cascade(members=("a", "b"), thresholds=(0.7,))
    return Runner(cascade, [FakeSession(o) for o in outputs], batching=Batching.powers_of_two(8))


@pytest.fixture
def numbers() -> Dataset:
    return Dataset(
        name="numbers", label=np.zeros(50, np.int64), sample_shape=(), dtype="int64",
        read=lambda rows: rows,
    )  # fmt: skip


def test_predict_gives_every_sample_in_order(runner, numbers):
    seen = []
    prediction = predict(runner, numbers, batch_size=12, on_progress=seen.append)
    at_once = runner(np.arange(50))
    assert np.array_equal(prediction.label, at_once.label)
    assert np.array_equal(prediction.stage, at_once.stage)
    assert np.array_equal(prediction.probabilities, at_once.probabilities)
    assert [each.done for each in seen] == [12, 24, 36, 48, 50]
    assert seen[-1].is_over
    assert prediction.work[0].rows == 50
    assert prediction.work[1].rows == int((prediction.stage == 2).sum())


def test_saved_predictions_are_the_three_arrays(runner, numbers, tmp_path):
    prediction = predict(runner, numbers)
    save_predictions(prediction, tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["label", "probabilities", "stage"]
        assert np.array_equal(arrays["label"], prediction.label)
        assert np.array_equal(arrays["stage"], prediction.stage)
        assert np.array_equal(arrays["probabilities"], prediction.probabilities)
