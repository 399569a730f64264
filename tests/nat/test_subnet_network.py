from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from encas.nat.recipe import BlockRecipe, Recipe
from encas.nat.subnet_network import (
    BareConv2d,
    BareLinear,
    InvertedBlock,
    Network,
    activation_of,
    initialise,
    mean_over_pixels,
    resized,
)

BLOCK = BlockRecipe(
    place=(0, 0), n_in=2, n_mid=4, n_out=3, kernel=3, stride=2, n_squeeze=2, activation="relu",
    shortcut="projected", is_expanded=True, is_fused=False,
)  # fmt: skip
RECIPE = Recipe(
    resolution=6, n_channels=1, n_stem=2, stem_stride=2, activation="relu", blocks=(BLOCK,),
    n_expand=5, n_features=4, n_classes=3, epsilon=1e-3,
)  # fmt: skip


def made(module: nn.Module) -> nn.Module:
    initialise(module, seed=0)
    return module.eval()


def test_network_gives_logits_of_samples_of_any_side():
    network = made(Network(RECIPE))
    x = torch.rand(4, 1, 6, 6)
    assert network(x).shape == (4, 3)
    larger = torch.rand(2, 1, 9, 9)
    assert torch.equal(network(larger), network(resized(larger, 6)))
    assert network.stem.norm.eps == RECIPE.epsilon


def test_network_has_the_parts_of_its_recipe():
    names = {name.partition(".")[0] for name in Network(RECIPE).state_dict()}
    assert names == {"stem", "blocks", "expand", "features", "classifier"}
    bare = Network(replace(RECIPE, blocks=(), n_expand=0, n_features=0))
    assert {name.partition(".")[0] for name in bare.state_dict()} == {"stem", "classifier"}
    assert bare.classifier.in_features == RECIPE.n_stem


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, {"expand", "depthwise", "squeeze", "project", "shortcut"}),
        ({"n_squeeze": 0}, {"expand", "depthwise", "project", "shortcut"}),
        ({"n_mid": 2, "is_expanded": False}, {"depthwise", "squeeze", "project", "shortcut"}),
        ({"is_fused": True}, {"expand", "squeeze", "project", "shortcut"}),
        ({"shortcut": "none"}, {"expand", "depthwise", "squeeze", "project"}),
    ],
)
def test_block_has_the_parts_of_its_recipe(changes, parts):
    block = InvertedBlock(replace(BLOCK, **changes), RECIPE)
    assert {name.partition(".")[0] for name in block.state_dict()} == parts
    assert made(block)(torch.rand(2, 2, 5, 5)).shape == (2, 3, 3, 3)


@pytest.mark.parametrize(
    ("changes", "added"),
    [
        ({"shortcut": "none"}, lambda x: 0),
        ({"shortcut": "identity"}, lambda x: x),
        (
            {"shortcut": "pooled", "stride": 2},
            lambda x: nn.functional.avg_pool2d(x, 2, ceil_mode=True),
        ),
    ],
)
def test_block_adds_its_shortcut(changes, added):
    """A block whose last normalisation gives nothing answers with its shortcut alone."""
    block = made(InvertedBlock(replace(BLOCK, n_out=2, **({"stride": 1} | changes)), RECIPE))
    nn.init.zeros_(block.project.norm.weight)
    x = torch.rand(1, 2, 5, 5)
    y = block(x)
    assert torch.equal(y, torch.zeros_like(y) + added(x))


def test_projected_shortcut_averages_and_then_maps_channels():
    block = made(InvertedBlock(BLOCK, RECIPE))
    nn.init.zeros_(block.project.norm.weight)
    x = torch.rand(1, 2, 6, 6)
    weight = block.shortcut.project.weight[:, :, 0, 0]
    expected = torch.einsum("oi,nihw->nohw", weight, nn.functional.avg_pool2d(x, 2))
    torch.testing.assert_close(block(x), expected)


def test_squeeze_scales_channels_by_a_hard_sigmoid():
    block = made(InvertedBlock(BLOCK, RECIPE))
    nn.init.zeros_(block.squeeze.expand.weight)
    with torch.no_grad():
        block.squeeze.expand.bias.copy_(torch.tensor([-3.0, 0.0, 3.0, 9.0]))
    x = torch.rand(1, 4, 3, 3)
    scale = torch.tensor([0.0, 0.5, 1.0, 1.0]).view(1, 4, 1, 1)
    torch.testing.assert_close(block.squeeze(x), x * scale)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0.0, 2.0, 8.0]),
        ("relu6", [0.0, 2.0, 6.0]),
        ("h_swish", [-1 / 3, 5 / 3, 8.0]),
        ("swish", [-1 / (1 + torch.e), 2 / (1 + torch.e**-2), 8 / (1 + torch.e**-8)]),
    ],
)
def test_activations_are_those_of_their_names(name, expected):
    x = torch.tensor([-1.0, 2.0, 8.0])
    torch.testing.assert_close(activation_of(name)(x), torch.tensor(expected))


def test_mean_over_pixels_keeps_four_dimensions():
    x = torch.arange(12.0).view(1, 2, 2, 3)
    assert mean_over_pixels(x).tolist() == [[[[2.5]], [[8.5]]]]


def test_samples_that_fit_are_not_resized():
    x = torch.rand(1, 1, 4, 4)
    assert resized(x, 4) is x
    assert resized(x, 2).shape == (1, 1, 2, 2)
    assert resized(torch.rand(1, 1, 4, 3), 4).shape == (1, 1, 4, 4)


def test_weights_are_drawn_by_fan_out_and_by_the_seed_alone():
    parts = nn.ModuleList(
        (BareConv2d(64, 32, 3, bias=True), BareConv2d(64, 64, 3, groups=64), BareLinear(400, 9))
    )
    torch.manual_seed(5)
    state = torch.get_rng_state()
    initialise(parts, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    spreads = [float(part.weight.detach().std()) for part in parts]
    assert spreads == pytest.approx([(2 / (32 * 9)) ** 0.5, (2 / 9) ** 0.5, 0.01], rel=0.1)
    assert all(not part.bias.any() for part in parts)
    again, other = (nn.ModuleList([BareLinear(400, 9)]) for _ in range(2))
    initialise(again, seed=1)
    initialise(other, seed=2)
    same = nn.ModuleList([BareLinear(400, 9)])
    initialise(same, seed=1)
    assert torch.equal(again[0].weight, same[0].weight)
    assert not torch.equal(again[0].weight, other[0].weight)
