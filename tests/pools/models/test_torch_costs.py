"""What torch models cost, against counts by hand."""

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from encas.pools.models.torch_costs import torch_costs  # noqa: E402

pytestmark = pytest.mark.torch


def test_costs_of_known_layers_are_their_products():
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, padding=1, groups=2),
        nn.Flatten(),
        nn.Linear(4 * 64, 10),
    ).eval()
    costs = torch_costs(module, torch.zeros(1, 3, 8, 8))
    assert costs["macs"] == 64 * 8 * 27 + 64 * 4 * 4 * 9 + 256 * 10
    assert costs["params"] == 8 * 27 + 4 * 4 * 9 + 4 + 2560 + 10
    # Most lives during the first ReLU: the sample, the convolution's output, its own.
    activations = 4 * (3 * 64 + 8 * 64 + 8 * 64)
    assert costs["memory_bytes"] == 4 * costs["params"] + activations


def test_costs_count_attention_in_full():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.project = nn.Linear(16, 48)

        def forward(self, x):
            q, k, v = self.project(x).reshape(1, 9, 3, 4, 4).permute(2, 0, 3, 1, 4)
            return nn.functional.scaled_dot_product_attention(q, k, v)

    costs = torch_costs(Block().eval(), torch.zeros(1, 9, 16))
    assert costs["macs"] == 9 * 16 * 48 + 2 * 9 * 9 * 16


def test_costs_twice_are_the_same():
    module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()).eval()
    sample = torch.zeros(1, 3, 9, 9)
    assert torch_costs(module, sample) == torch_costs(module, sample)


def test_costs_of_views_are_not_memory():
    class Views(nn.Module):
        def forward(self, x):
            return x.reshape(1, -1)[:, :4].T

    assert torch_costs(Views(), torch.zeros(1, 3, 4, 4))["memory_bytes"] == 4 * 48
