"""The supernetworks of Once-for-All; small images, because what they compute does not matter."""

from dataclasses import replace

import pytest

pytest.importorskip("torch")
pytest.importorskip("ofa")

import torch

from encas.nat.designs import space_of
from encas.nat.ofa_supernet import OfaSupernet
from encas.nat.space import largest, smallest

NAMES = ("ofa-mbv3-w1.2", "ofa-proxyless-w1.3")


@pytest.fixture(scope="module", params=NAMES)
def supernet(request) -> OfaSupernet:
    """With statistics and maps of kernels that are not those of a new network."""
    made = OfaSupernet(space_of(request.param), n_classes=7, seed=1)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in made.module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith("running_mean"):
            tensor.normal_(generator=generator)
        elif "matrix" in name:
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    made.module.eval()
    return made


def architectures(supernet, rng):
    space = supernet.space
    for genome in (smallest(space), largest(space), *space.sample(2, rng)):
        yield replace(space.decode(genome), resolution=64)


def test_extracted_subnet_answers_exactly_as_the_active_one(supernet, rng):
    x = torch.randn(1, 3, 96, 96)
    for architecture in architectures(supernet, rng):
        supernet.activate(architecture)
        with torch.no_grad():
            active = supernet.forward(x)
            assert active.shape == (1, 7)
            assert torch.equal(active, supernet.extract(architecture)(x))


def test_active_subnet_works_at_its_own_resolution(supernet):
    x = torch.randn(1, 3, 64, 64)
    low = replace(supernet.space.decode(smallest(supernet.space)), resolution=32)
    supernet.activate(low)
    with torch.no_grad():
        half = torch.nn.functional.interpolate(x, size=(32, 32), mode="bilinear")
        assert torch.equal(supernet.forward(x), supernet.forward(half))


def test_extracted_weights_are_copies(supernet):
    subnet = supernet.extract(supernet.space.decode(smallest(supernet.space)))
    before = subnet.classifier.weight.clone()
    weight = dict(supernet.module.named_parameters())["classifier.linear.weight"]
    with torch.no_grad():
        weight.add_(1)
    assert torch.equal(subnet.classifier.weight, before)
    with torch.no_grad():
        weight.sub_(1)
    assert not subnet.training


def test_same_seed_gives_the_same_weights():
    space = space_of("ofa-proxyless-w1.3")
    one, same, other = (OfaSupernet(space, n_classes=2, seed=seed).module for seed in (1, 1, 2))
    name = "first_conv.conv.weight"
    assert torch.equal(one.state_dict()[name], same.state_dict()[name])
    assert not torch.equal(one.state_dict()[name], other.state_dict()[name])
