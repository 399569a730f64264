from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.nat.adaptation import Adaptation
from encas.nat.learning import Learner, Training, one_of, sandwich, weights_of
from encas.nat.nat_settings import NatSettings
from encas.nat.pretrained import make_supernet
from encas.nat.sample_table import SampleTable

TRAINING = Training(batch_size=8, learning_rate=0.05)
SETTINGS = NatSettings(
    iterations=2, archive_size=8, epochs=2, warm_up_epochs=2, n_averaged=2,
    warm_up=replace(TRAINING, learning_rate=0.1), training=TRAINING,
)  # fmt: skip
FROZEN = replace(SETTINGS, epochs=0, n_new=1)


def supernet():
    return make_supernet("small-fused", n_classes=2, size=8, n_channels=1)


@pytest.fixture(scope="module")
def table() -> SampleTable:
    generator = torch.Generator().manual_seed(0)
    x, label = torch.randn(16, 1, 8, 8, generator=generator), torch.arange(16) % 2
    return SampleTable(x=x, label=label, n_classes=2, preprocessing=None)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def learn(adaptation, *, turn, epoch=0):
    largest = adaptation.supernet.space.design.largest
    return adaptation.learn([largest], turn=turn, epoch=epoch, rng=rng())


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def weights(supernet):
    return weights_of(supernet.module)


def test_epochs_of_all_rounds_are_one_training(table):
    """Epoch 1 of round 2 of 3 is the last sixth of it."""
    adaptation, expected = Adaptation(supernet(), table, SETTINGS, n_rounds=3), supernet()
    loss = learn(adaptation, turn=2, epoch=1)
    lesson = one_of([expected.space.design.largest])
    learner = Learner(expected, table, TRAINING)
    assert loss == learner.epoch(lesson, start=5 / 6, end=1, rng=rng())
    assert same(weights(adaptation.supernet), weights(expected))


def test_warm_up_is_a_training_of_its_own_by_the_sandwich_rule(table):
    adaptation, expected = Adaptation(supernet(), table, SETTINGS, n_rounds=3), supernet()
    loss = adaptation.warm_up(1, rng())
    learner = Learner(expected, table, SETTINGS.warm_up)
    assert loss == learner.epoch(sandwich(expected.space), start=1 / 2, end=1, rng=rng())
    assert same(weights(adaptation.supernet), weights(expected))


def test_settled_weights_are_means_over_the_last_rounds(table):
    adaptation, after = Adaptation(supernet(), table, SETTINGS, n_rounds=3), []
    settled = weights(adaptation.settled)
    for turn in range(3):
        learn(adaptation, turn=turn)
        assert same(weights(adaptation.settled), settled)
        adaptation.settle(turn)
        assert not adaptation.settled.module.training
        after.append(weights(adaptation.supernet))
        settled = weights(adaptation.settled)
        if turn < 2:  # the last two rounds have a part: of one, the mean is itself
            assert same(settled, after[turn])
    name = "classifier.weight"
    np.testing.assert_allclose(settled[name], (after[1][name] + after[2][name]) / 2, atol=1e-7)
    assert not np.allclose(after[1][name], after[2][name])
    batches = "stem.norm.num_batches_tracked"
    assert settled[batches] == after[1][batches], "counts are no means"


@pytest.mark.parametrize("n_averaged", [0, 1])
def test_settled_weights_without_a_mean_are_those_of_the_last_epoch(table, n_averaged):
    settings = replace(SETTINGS, n_averaged=n_averaged)
    adaptation = Adaptation(supernet(), table, settings, n_rounds=2)
    for turn in range(2):
        learn(adaptation, turn=turn)
        adaptation.settle(turn)
        assert same(weights(adaptation.settled), weights(adaptation.supernet))


def test_weights_that_no_round_trains_are_settled_as_they_are(table):
    adaptation = Adaptation(supernet(), table, FROZEN, n_rounds=3)
    assert adaptation.settled is adaptation.supernet
    adaptation.warm_up(0, rng())
    adaptation.settle(0)
    assert adaptation.settled is adaptation.supernet
    assert Adaptation(supernet(), table, SETTINGS, n_rounds=3).settled is not adaptation.supernet


@pytest.mark.parametrize("n_done", range(1, 6))
def test_restored_adaptation_goes_on_as_if_it_had_never_stopped(table, n_done):
    """In the warm-up, between it and the rounds, within a round, and with a mean."""
    steps = [
        lambda a: a.warm_up(0, rng()),
        lambda a: a.warm_up(1, rng()),
        lambda a: learn(a, turn=1),
        lambda a: a.settle(1),
        lambda a: learn(a, turn=2),
        lambda a: a.settle(2),
    ]
    straight = Adaptation(supernet(), table, SETTINGS, n_rounds=3)
    for step in steps[:n_done]:
        step(straight)
    resumed = Adaptation(supernet(), table, SETTINGS, n_rounds=3)
    resumed.restore({key: array.copy() for key, array in straight.state().items()})
    for step in steps[n_done:]:
        step(straight)
        step(resumed)
    assert same(resumed.state(), straight.state())
    assert same(weights(resumed.settled), weights(straight.settled))
