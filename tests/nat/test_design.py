from dataclasses import replace

import pytest

from encas.nat.design import Design, StageDesign, SubnetBlock, divisible

FIRST = StageDesign(widths=(8, 16), depths=(1, 2), kernels=(3, 5), expansions=(1, 4), stride=2)
LAST = StageDesign(
    widths=(16,), depths=(1,), kernels=(3,), expansions=(1,), stride=1, has_squeeze=True,
    activation="swish",
)  # fmt: skip
DESIGN = Design(
    name="two-stages",
    resolutions=(16, 32),
    stems=(8, 12),
    activation="h_swish",
    stages=(FIRST, LAST),
    expand_ratio=3,
    heads=(10, 20),
)


@pytest.mark.parametrize(
    ("value", "divisor", "expected"),
    [
        (1, 8, 8),
        (11.9, 8, 16),
        (12, 8, 16),
        (9, 8, 16),
        (8.8, 8, 8),
        (10, 9, 9),
        (10.1, 9, 18),
        (24, 8, 24),
    ],
)
def test_divisible_is_the_nearest_multiple_but_not_a_tenth_below(value, divisor, expected):
    assert divisible(value, divisor) == expected


def test_largest_subnet_has_the_last_choice_everywhere():
    block = SubnetBlock(width=16, kernel=5, expansion=4)
    largest = DESIGN.largest
    assert (largest.resolution, largest.stem, largest.head) == (32, 12, 20)
    assert largest.stages == (
        (block, block),
        (SubnetBlock(width=16, kernel=3, expansion=1),),
    )
    assert DESIGN.size == 32


def test_recipe_chains_channels_and_strides_only_the_first_block_of_a_stage():
    recipe = DESIGN.recipe(DESIGN.largest, n_classes=7)
    assert [(b.n_in, b.n_mid, b.n_out) for b in recipe.blocks] == [
        (12, 48, 16), (16, 64, 16), (16, 16, 16),
    ]  # fmt: skip
    assert [block.place for block in recipe.blocks] == [(0, 0), (0, 1), (1, 0)]
    assert [block.stride for block in recipe.blocks] == [2, 1, 1]
    assert [block.is_expanded for block in recipe.blocks] == [True, True, False]
    assert [block.n_squeeze for block in recipe.blocks] == [0, 0, 8]
    assert [block.activation for block in recipe.blocks] == ["relu", "relu", "swish"]
    assert (recipe.resolution, recipe.n_stem, recipe.n_classes) == (32, 12, 7)
    assert (recipe.n_expand, recipe.n_features) == (48, 20)


def test_recipe_of_a_design_with_a_fixed_last_width_has_it():
    fixed = replace(DESIGN, n_expand=40)
    assert fixed.recipe(fixed.largest, n_classes=2).n_expand == 40


@pytest.mark.parametrize(
    ("is_pooled", "expected"),
    [
        (False, ["none", "identity", "identity"]),
        (True, ["projected", "identity", "identity"]),
    ],
)
def test_shortcut_is_identity_where_nothing_changes_shape(is_pooled, expected):
    design = replace(DESIGN, is_pooled=is_pooled)
    recipe = design.recipe(design.largest, n_classes=2)
    assert [block.shortcut for block in recipe.blocks] == expected


def test_shortcut_over_a_stride_alone_is_an_average():
    pooled = replace(DESIGN, is_pooled=True, stems=(16,))
    recipe = pooled.recipe(pooled.largest, n_classes=2)
    assert [block.shortcut for block in recipe.blocks] == ["pooled", "identity", "identity"]


def test_full_recipe_has_every_shortcuts_convolution_where_shapes_may_change():
    pooled = replace(DESIGN, is_pooled=True)
    full = pooled.full_recipe(n_classes=2)
    assert {block.shortcut for block in full.blocks} == {"projected"}
    assert DESIGN.full_recipe(n_classes=2) == DESIGN.recipe(DESIGN.largest, n_classes=2)
