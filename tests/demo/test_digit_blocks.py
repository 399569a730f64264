"""The larger networks' blocks: shapes, and shortcuts that add what they should."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from encas.demo.digit_blocks import BLOCKS, staged  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("family", BLOCKS)
@pytest.mark.parametrize("depth", [1, 2])
def test_staged_network_halves_the_resolution_twice(family, depth):
    layers = staged(family, width=2, depth=depth, n_classes=10)
    trunk = nn.Sequential(*layers[:-3]).eval()
    x = torch.zeros(3, 1, 16, 16)
    assert trunk(x).shape == (3, 8, 4, 4)
    assert nn.Sequential(*layers).eval()(x).shape == (3, 10)


@pytest.mark.parametrize("family", BLOCKS)
@pytest.mark.parametrize(("channels", "stride"), [(2, 1), (4, 2)])
def test_block_has_the_wanted_channels_and_stride(family, channels, stride):
    block = BLOCKS[family](2, channels, stride).eval()
    assert block(torch.zeros(1, 2, 8, 8)).shape == (1, channels, 8 // stride, 8 // stride)


def test_residual_block_without_a_body_passes_its_input_on():
    block = BLOCKS["residual"](2, 2, 1).eval()
    for parameter in block.body[-1].parameters():
        nn.init.zeros_(parameter)
    x = torch.rand(1, 2, 4, 4)
    assert torch.equal(block(x), x)


def test_mobile_block_adds_its_input_only_where_it_fits():
    x = torch.rand(1, 2, 4, 4)
    same, other = (BLOCKS["mobile"](2, channels, 1).eval() for channels in (2, 4))
    for block in (same, other):
        for parameter in block.body[-1].parameters():
            nn.init.zeros_(parameter)
    assert torch.equal(same(x), x)
    assert not other(x).any()
