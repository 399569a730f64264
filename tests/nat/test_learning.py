import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.nat.learning import Learner, Training, one_of, sandwich
from encas.nat.pretrained import make_supernet
from encas.nat.sample_table import SampleTable
from encas.nat.space import largest, smallest


@pytest.fixture
def table():
    """Two classes that a bright half of the picture tells apart."""
    generator = torch.Generator().manual_seed(0)
    label = torch.arange(64) % 2
    x = 0.3 * torch.randn(64, 1, 8, 8, generator=generator)
    x[label == 0, :, :4] += 1
    x[label == 1, :, 4:] += 1
    return SampleTable(x=x, label=label, n_classes=2, preprocessing=None)


def learner(table):
    supernet = make_supernet("small-fused", n_classes=2, size=8, n_channels=1)
    return Learner(supernet, table, Training(batch_size=16, learning_rate=0.05))


def accuracy(learned, table, genome):
    supernet = learned.supernet
    supernet.module.train()
    supernet.activate(supernet.space.decode(genome))
    with torch.no_grad():
        return float((supernet.forward(table.x).argmax(1) == table.label).float().mean())


def test_sandwich_teaches_the_largest_and_the_smallest(table):
    learned = learner(table)
    lesson = sandwich(learned.supernet.space)
    losses = [
        learned.epoch(lesson, start=e / 6, end=(e + 1) / 6, rng=np.random.default_rng(e))
        for e in range(6)
    ]
    assert losses[-1] < losses[0] / 2
    space = learned.supernet.space
    assert min(accuracy(learned, table, g(space)) for g in (smallest, largest)) > 0.9


def test_one_of_trains_only_the_chosen_subnets(table):
    learned = learner(table)
    space = learned.supernet.space
    before = learned.supernet.module.stem.conv.weight.detach().clone()
    lesson = one_of([space.decode(smallest(space))])
    learned.epoch(lesson, start=0, end=1, rng=np.random.default_rng(0))
    moved = (learned.supernet.module.stem.conv.weight.detach() != before).flatten(1).any(dim=1)
    assert moved[:4].all()


def test_restored_learner_goes_on_as_if_it_had_never_stopped(table):
    straight, stopped, resumed = (learner(table) for _ in range(3))
    lesson = sandwich(straight.supernet.space)

    def epoch(who, index):
        rng = np.random.default_rng(index)
        who.epoch(lesson, start=index / 2, end=(index + 1) / 2, rng=rng)

    epoch(straight, 0)
    epoch(straight, 1)
    epoch(stopped, 0)
    resumed.restore(stopped.state())
    epoch(resumed, 1)
    expected = straight.state()
    assert all((resumed.state()[key] == expected[key]).all() for key in expected)


def test_mixed_precision_learns(table):
    supernet = make_supernet("small-fused", n_classes=2, size=8, n_channels=1)
    training = Training(batch_size=16, learning_rate=0.05, precision="bfloat16")
    learned = Learner(supernet, table, training)
    lesson = sandwich(supernet.space)
    first, last = (
        learned.epoch(lesson, start=e / 2, end=(e + 1) / 2, rng=np.random.default_rng(e))
        for e in range(2)
    )
    assert last < first
