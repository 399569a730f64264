"""The networks of examples/cifar10, named as a user in that folder names them."""

import pytest

torch = pytest.importorskip("torch")

from encas.search.sources.models import source_model  # noqa: E402
from encas.search.sources.torch_costs import torch_costs  # noqa: E402

pytestmark = pytest.mark.torch
SMALL = "torch:small_nets:small_net?family={}&width={}&depth={}&size={}"


@pytest.fixture(autouse=True)
def example_folder(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath / "examples" / "cifar10")


@pytest.mark.parametrize(("depth", "macs"), [(20, 40_551_040), (56, 125_485_696)])
def test_resnet_has_the_known_macs(depth, macs):
    module = source_model(f"torch:resnet:resnet?depth={depth}").build()
    sample = torch.zeros(1, 3, 32, 32)
    assert module(sample).shape == (1, 10)
    assert torch_costs(module, sample)["macs"] == macs


def test_resnet_of_an_impossible_depth_is_refused():
    with pytest.raises(ValueError, match=r"depth must be 6 n \+ 2, got 21"):
        source_model("torch:resnet:resnet?depth=21").build()


@pytest.mark.parametrize("family", ["residual", "mobile", "plain"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_small_net_takes_32_pixels_at_any_resolution(family, size):
    module = source_model(SMALL.format(family, 4, 2, size)).build()
    for n in (1, 3):
        assert module(torch.zeros(n, 3, 32, 32)).shape == (n, 10)


def test_small_nets_cost_less_at_lower_resolution():
    sample = torch.zeros(1, 3, 32, 32)
    macs = [
        torch_costs(source_model(SMALL.format("mobile", 8, 1, size)).build(), sample)["macs"]
        for size in (16, 24, 32)
    ]
    assert macs == sorted(macs)
    assert macs[0] * 3 < macs[2]


def test_small_net_of_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family must be one of residual, mobile, plain, got 'x'"):
        source_model(SMALL.format("x", 4, 1, 16)).build()
