import pytest

pytest.importorskip("torch")

import torch

from encas.nat.designs import NAMES
from encas.nat.pretrained import make_supernet
from encas.nat.recipe import macs_of
from encas.nat.space import largest, smallest
from encas.pools.models.torch_costs import torch_costs

SIZES = {"small-mobile": 8, "small-fused": 16}


def shaken(supernet):
    """Statistics and maps of kernels that are not those of a new network."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in supernet.module.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif name.endswith("running_mean"):
            tensor.normal_(generator=generator)
        elif "matrix" in name:
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    supernet.module.eval()
    return supernet


@pytest.fixture(scope="module", params=NAMES)
def supernet(request):
    return shaken(make_supernet(request.param, n_classes=7, size=SIZES.get(request.param)))


def subnets(supernet, rng, n):
    space = supernet.space
    return [space.decode(g) for g in (smallest(space), largest(space), *space.sample(n, rng))]


def test_extracted_subnet_answers_exactly_as_the_active_one(supernet, rng):
    design = supernet.space.design
    x = torch.randn(1, design.n_channels, design.size, design.size)
    for architecture in subnets(supernet, rng, 2):
        supernet.activate(architecture)
        with torch.no_grad():
            assert torch.equal(supernet.forward(x), supernet.extract(architecture)(x))


def test_macs_by_the_formula_are_those_that_torch_counts(supernet, rng):
    design = supernet.space.design
    sample = torch.zeros(1, design.n_channels, design.size, design.size)
    for architecture in subnets(supernet, rng, 2):
        counted = torch_costs(supernet.extract(architecture), sample)["macs"]
        assert macs_of(design.recipe(architecture, n_classes=7)) == counted


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
