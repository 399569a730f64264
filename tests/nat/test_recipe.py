from dataclasses import replace

import pytest

from encas.nat.designs import space_of
from encas.nat.recipe import BlockRecipe, Layer, Recipe, layers_of, macs_of, out_side
from encas.nat.space import smallest

BLOCK = BlockRecipe(
    place=(0, 0), n_in=4, n_mid=8, n_out=5, kernel=3, stride=2, n_squeeze=2, activation="relu",
    shortcut="projected", is_expanded=True, is_fused=False,
)  # fmt: skip
RECIPE = Recipe(
    resolution=5, n_channels=3, n_stem=4, stem_stride=2, activation="relu", blocks=(BLOCK,),
    n_expand=6, n_features=7, n_classes=2, epsilon=1e-5,
)  # fmt: skip


@pytest.mark.parametrize(
    ("side", "stride", "expected"), [(5, 1, 5), (5, 2, 3), (4, 2, 2), (1, 2, 1), (7, 3, 3)]
)
def test_side_after_a_padded_convolution(side, stride, expected):
    assert out_side(side, stride) == expected


def test_layers_of_a_network_counted_by_hand():
    assert list(layers_of(RECIPE)) == [
        Layer(kind="dense", macs=9 * 3 * 4 * 9, elements=25 * 3 + 9 * 4),
        Layer(kind="pointwise", macs=9 * 4 * 8, elements=9 * 4 + 9 * 8),
        Layer(kind="depthwise", macs=4 * 8 * 9, elements=9 * 8 + 4 * 8),
        Layer(kind="linear", macs=8 * 2, elements=8 + 2),
        Layer(kind="linear", macs=2 * 8, elements=2 + 8),
        Layer(kind="pointwise", macs=4 * 8 * 5, elements=4 * 8 + 4 * 5),
        Layer(kind="pointwise", macs=4 * 4 * 5, elements=4 * 4 + 4 * 5),
        Layer(kind="pointwise", macs=4 * 5 * 6, elements=4 * 5 + 4 * 6),
        Layer(kind="linear", macs=6 * 7, elements=6 + 7),
        Layer(kind="linear", macs=7 * 2, elements=7 + 2),
    ]
    assert macs_of(RECIPE) == 972 + 288 + 288 + 32 + 160 + 80 + 120 + 42 + 14


def test_layers_that_a_block_lacks_cost_nothing():
    plain = replace(BLOCK, n_mid=4, n_squeeze=0, shortcut="none", is_expanded=False)
    kinds = [layer.kind for layer in layers_of(replace(RECIPE, blocks=(plain,)))]
    assert kinds == ["dense", "depthwise", "pointwise", "pointwise", "linear", "linear"]


def test_fused_block_has_one_dense_layer_for_two():
    fused = replace(BLOCK, n_squeeze=0, shortcut="pooled", is_fused=True)
    layers = list(layers_of(replace(RECIPE, blocks=(fused,))))
    assert [layer.kind for layer in layers[:3]] == ["dense", "dense", "pointwise"]
    assert layers[1].macs == 4 * 4 * 8 * 9


def test_network_without_blocks_and_head_is_a_stem_and_a_classifier():
    bare = replace(RECIPE, blocks=(), n_expand=0, n_features=0)
    assert macs_of(bare) == 972 + 4 * 2


@pytest.mark.parametrize(
    "name",
    ["ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "attentive-nas", "small-mobile", "small-fused"],
)
def test_macs_by_the_formula_are_those_that_torch_counts(name, rng):
    """Every kind of block; nothing is calculated, only counted."""
    torch = pytest.importorskip("torch")
    counter = pytest.importorskip("torch.utils.flop_counter")
    from encas.nat.subnet_network import Network  # noqa: PLC0415

    space = space_of(name)
    for genome in (smallest(space), space.sample(1, rng)[0]):
        recipe = space.design.recipe(space.decode(genome), n_classes=7)
        with torch.device("meta"), counter.FlopCounterMode(display=False) as counted:
            network = Network(recipe).eval().requires_grad_(requires_grad=False)
            network(torch.zeros(1, recipe.n_channels, recipe.resolution, recipe.resolution))
        assert macs_of(recipe) == counted.get_total_flops() // 2
