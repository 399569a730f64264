import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from encas.nat.pretrained import make_supernet
from encas.nat.sample_table import SampleTable
from encas.nat.space import largest, smallest
from encas.nat.subnet_evaluating import SubnetEvaluator, error_of, macs_of_genomes


@pytest.fixture
def table():
    x = torch.randn(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return SampleTable(x=3 * x + 1, label=torch.arange(30) % 3, n_classes=3, preprocessing=None)


@pytest.fixture
def supernet():
    return make_supernet("small-mobile", n_classes=3, size=8, n_channels=1)


def test_statistics_are_means_over_the_calibration_batches(table, supernet):
    network = SubnetEvaluator(calibration=table, batch_size=10).calibrated(
        supernet, largest(supernet.space)
    )
    with torch.no_grad():
        answers = [network.stem.conv(x) for x in table.batches(10)]
    mean = torch.stack([a.mean(dim=(0, 2, 3)) for a in answers]).mean(dim=0)
    variance = torch.stack([a.var(dim=(0, 2, 3)) for a in answers]).mean(dim=0)
    torch.testing.assert_close(network.stem.norm.running_mean, mean)
    torch.testing.assert_close(network.stem.norm.running_var, variance)
    assert not network.training
    assert network.stem.norm.momentum == 0.1


def test_calibration_leaves_the_shared_weights_alone(table, supernet):
    before = {name: tensor.clone() for name, tensor in supernet.module.state_dict().items()}
    SubnetEvaluator(calibration=table, batch_size=10).calibrated(supernet, smallest(supernet.space))
    after = supernet.module.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_logits_are_the_networks_own_in_the_order_of_the_samples(table, supernet):
    evaluator = SubnetEvaluator(calibration=table, batch_size=10)
    network = evaluator.calibrated(supernet, smallest(supernet.space))
    logits = evaluator.logits(network, table)
    with torch.no_grad():
        expected = network(table.batch(torch.arange(30))).numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-6)
    assert error_of(logits, table) == (expected.argmax(axis=1) != table.label.numpy()).mean()


def test_macs_grow_from_the_smallest_to_the_largest(supernet):
    space = supernet.space
    macs = macs_of_genomes(space, np.stack([smallest(space), largest(space)]), n_classes=3)
    assert macs[0] < macs[1]
