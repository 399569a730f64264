from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from encas.nat.pretrained import make_supernet
from encas.nat.space import largest, smallest

SIZES = {"small-mobile": 8, "small-fused": 16}


def shaken(supernet):
    """Statistics that are not those of a new network."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in supernet.module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith("running_mean"):
            tensor.normal_(generator=generator)
    supernet.module.eval()
    return supernet


@pytest.mark.parametrize("name", ["attentive-nas", "small-mobile", "small-fused"])
def test_extracted_subnet_answers_exactly_as_the_active_one(name, rng):
    """Small images: what is computed does not matter, and alphanet has the same subnets."""
    supernet = shaken(make_supernet(name, n_classes=7, size=SIZES.get(name)))
    space = supernet.space
    x = torch.randn(1, space.design.n_channels, 40, 40)
    for genome in (smallest(space), largest(space), *space.sample(2, rng)):
        architecture = space.decode(genome)
        architecture = replace(architecture, resolution=min(64, architecture.resolution))
        supernet.activate(architecture)
        with torch.no_grad():
            assert torch.equal(supernet.forward(x), supernet.extract(architecture)(x))


def test_extracted_weights_are_copies():
    supernet = make_supernet("small-mobile", n_classes=3, size=8)
    architecture = supernet.space.design.largest
    before = supernet.extract(architecture)
    with torch.no_grad():
        for parameter in supernet.module.parameters():
            parameter.zero_()
    assert float(before.classifier.weight.detach().abs().sum()) > 0


def test_gradients_reach_the_shared_weights_of_the_active_subnet_alone():
    supernet = make_supernet("small-fused", n_classes=3, size=8)
    supernet.activate(supernet.space.decode(smallest(supernet.space)))
    supernet.forward(torch.randn(4, 3, 8, 8)).sum().backward()
    stem = supernet.module.stem.conv.weight.grad
    assert stem[:4].abs().sum() > 0
    assert stem[4:].abs().sum() == 0


def test_same_seed_gives_the_same_weights():
    one, same, other = (
        make_supernet("small-mobile", n_classes=3, size=8, seed=seed).module.classifier.weight
        for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
