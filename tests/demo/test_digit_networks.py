"""The networks of the demo: shapes, costs, training that repeats itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from encas.demo.digit_networks import (  # noqa: E402
    RECIPES,
    DigitRecipe,
    logits_of,
    macs_of,
    network,
    train,
    train_pool,
)
from encas.errors import DataError  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402

pytestmark = pytest.mark.torch
LINEAR = DigitRecipe(family="dense", width=0, depth=0, size=4)
CONVOLUTION = DigitRecipe(family="convolution", width=2, depth=2, size=5)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Ten patterns that a linear network can tell apart, twelve noisy copies of each."""
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(10), 12)
    patterns = rng.random((10, 1, 8, 8))
    x = patterns[label] + rng.normal(0, 0.02, (120, 1, 8, 8))
    return x.astype(np.float32), label.astype(np.int64)


def test_recipes_are_two_dozen_distinct_networks():
    assert len(RECIPES) == 24
    assert len({recipe.name for recipe in RECIPES}) == 24
    assert {recipe.size for recipe in RECIPES} == {4, 5, 8}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_network_takes_eight_pixels_and_any_batch(recipe):
    model = recipe.build().eval()
    for n in (1, 3):
        assert logits_of(model, np.zeros((n, 1, 8, 8), np.float32)).shape == (n, 10)


def test_macs_of_known_networks_are_their_products():
    assert macs_of(LINEAR.build()) == 4 * 4 * 10
    assert macs_of(CONVOLUTION.build()) == 5 * 5 * 9 * 2 + 2 * 2 * 9 * 2 * 2 + 2 * 2 * 2 * 10


def test_macs_of_the_pool_span_two_orders_of_magnitude():
    macs = sorted(macs_of(recipe.build()) for recipe in RECIPES)
    assert macs[0] == 160
    assert macs[-1] > 100 * macs[0]


def test_network_of_an_unknown_family_is_refused():
    with pytest.raises(DataError, match="no network of family 'recurrent', depth 1 and size 8"):
        network(family="recurrent", width=2, depth=1, size=8)  # type: ignore[arg-type]


def test_network_without_convolutions_is_refused():
    with pytest.raises(DataError, match="depth 0 and size 8"):
        network(family="convolution", width=2, depth=0, size=8)


def test_train_learns_what_is_there_to_learn(samples):
    x, label = samples
    model = train(
        DigitRecipe(family="dense", width=0, depth=0, size=8), x, label, seed=0, epochs=40
    )
    assert (logits_of(model, x).argmax(1) == label).mean() > 0.95
    assert not model.training


def test_train_twice_with_one_seed_gives_one_network(samples):
    x, label = samples
    first, second, other = (train(CONVOLUTION, x, label, seed=s, epochs=2) for s in (5, 5, 6))
    assert np.array_equal(logits_of(first, x), logits_of(second, x))
    assert not np.array_equal(logits_of(first, x), logits_of(other, x))


def test_train_leaves_the_global_state_of_torch_alone(samples):
    x, label = samples
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    threads = torch.get_num_threads()
    train(LINEAR, x, label, seed=0, epochs=1)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(1), expected)


def test_train_pool_names_specs_that_rebuild_the_network(tmp_path, samples):
    x, label = samples
    (tmp_path / "pool").mkdir()
    folder = tmp_path / "weights with a space"
    (trained,) = train_pool(folder, x, label, recipes=(CONVOLUTION,), seed=4, epochs=1)
    source = source_model(trained.spec(base=tmp_path / "pool"), base=tmp_path / "pool")
    assert source.build is not None
    assert source.input_shape == (1, 8, 8)
    expected = logits_of(train(CONVOLUTION, x, label, seed=4, epochs=1), x)
    assert np.array_equal(logits_of(source.build().eval(), x), expected)
    assert np.array_equal(logits_of(trained.load(), x), expected)
    assert trained.params == 2 * 9 + 2 + 2 * 2 * 9 + 2 + 2 * 2 * 2 * 10 + 10


def test_train_pool_again_trains_nothing_that_is_there(tmp_path, samples):
    x, label = samples
    first = train_pool(tmp_path, x, label, recipes=(LINEAR,), epochs=1)
    written = (tmp_path / "linear-4px.pt").stat().st_mtime_ns
    done = []
    again = train_pool(
        tmp_path, x, label, recipes=(LINEAR, CONVOLUTION), epochs=1, on_progress=done.append
    )
    assert (tmp_path / "linear-4px.pt").stat().st_mtime_ns == written
    assert again[0] == first[0]
    assert [each.done for each in done] == [0, 1, 2]
