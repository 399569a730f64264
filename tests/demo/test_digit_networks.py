"""The networks of the demo: shapes and costs."""

import pytest

torch = pytest.importorskip("torch")

from encas.demo.digit_networks import (  # noqa: E402
    RECIPES,
    DigitRecipe,
    macs_of,
    network,
)
from encas.errors import DataError  # noqa: E402

pytestmark = pytest.mark.torch
LINEAR = DigitRecipe(family="dense", width=0, depth=0, size=4)
CONVOLUTION = DigitRecipe(family="convolution", width=2, depth=2, size=5)


def test_recipes_are_two_dozen_tiny_networks_and_ten_larger_ones():
    assert len(RECIPES) == 34
    assert len({recipe.name for recipe in RECIPES}) == 34
    tiny = [recipe for recipe in RECIPES if recipe.size <= 8]
    assert len(tiny) == 24
    assert {recipe.size for recipe in tiny} == {4, 5, 8}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_network_takes_32_pixels_and_any_batch(recipe):
    model = recipe.build().eval()
    for n in (1, 3):
        assert model(torch.zeros(n, 1, 32, 32)).shape == (n, 10)


@pytest.mark.parametrize("size", [4, 5, 8])
def test_network_of_8_pixels_works_on_the_means_of_32(size):
    torch.manual_seed(2)
    large = network(family="dense", width=4, depth=1, size=size, side=32)
    small = network(family="dense", width=4, depth=1, size=size)
    small.load_state_dict(large.state_dict())
    x = torch.rand(2, 1, 8, 8)
    enlarged = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.allclose(large(enlarged), small(x), atol=1e-6)


def test_macs_of_known_networks_are_their_products():
    assert macs_of(LINEAR.build()) == 4 * 4 * 10
    assert macs_of(CONVOLUTION.build()) == 5 * 5 * 9 * 2 + 2 * 2 * 9 * 2 * 2 + 2 * 2 * 2 * 10


def test_macs_of_the_pool_span_five_orders_of_magnitude():
    macs = sorted(macs_of(recipe.build()) for recipe in RECIPES)
    assert macs[0] == 160
    assert macs[-1] > 100_000 * macs[0]


def test_network_of_an_unknown_family_is_refused():
    with pytest.raises(DataError, match="no network of family 'recurrent', depth 1 and size 8"):
        network(family="recurrent", width=2, depth=1, size=8)  # type: ignore[arg-type]


def test_network_without_convolutions_is_refused():
    with pytest.raises(DataError, match="depth 0 and size 8"):
        network(family="convolution", width=2, depth=0, size=8)


def test_network_for_images_of_another_side_is_refused():
    with pytest.raises(DataError, match="no network of family 'dense', depth 1 and size 8"):
        network(family="dense", width=2, depth=1, size=8, side=28)
