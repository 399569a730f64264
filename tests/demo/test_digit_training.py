"""Training that repeats itself, two networks at a time."""

from threading import Event

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from encas.demo.digit_networks import DigitRecipe  # noqa: E402
from encas.demo.digit_training import logits_of, train, train_pool  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402

pytestmark = pytest.mark.torch
LINEAR = DigitRecipe(family="dense", width=0, depth=0, size=4)
CONVOLUTION = DigitRecipe(family="convolution", width=2, depth=2, size=5)


@pytest.fixture(scope="module")
def samples() -> tuple[np.ndarray, np.ndarray]:
    """Ten patterns that a linear network can tell apart, twelve noisy copies of each."""
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(10), 12)
    patterns = rng.random((10, 1, 8, 8)).repeat(4, 2).repeat(4, 3)
    x = patterns[label] + rng.normal(0, 0.02, (120, 1, 32, 32))
    return x.astype(np.float32), label.astype(np.int64)


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
    assert source.input_shape == (1, 32, 32)
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


def test_train_pool_gives_each_network_what_training_it_alone_gives(tmp_path, samples):
    x, label = samples
    residual = DigitRecipe(family="residual", width=2, depth=1, size=16)
    recipes = (LINEAR, CONVOLUTION, residual)
    trained = train_pool(tmp_path, x, label, recipes=recipes, seed=7, epochs=1)
    for place, (recipe, network) in enumerate(zip(recipes, trained, strict=True)):
        alone = train(recipe, x, label, seed=7 + place, epochs=1)
        assert np.array_equal(logits_of(network.load(), x), logits_of(alone, x))


def test_train_pool_that_is_interrupted_ends_the_others_and_keeps_what_is_done(tmp_path, samples):
    x, label = samples

    def interrupt(progress):
        if progress.done == 1:
            raise KeyboardInterrupt

    recipes = (LINEAR, CONVOLUTION)
    with pytest.raises(KeyboardInterrupt):
        train_pool(tmp_path, x, label, recipes=recipes, epochs=1, on_progress=interrupt)
    assert not list(tmp_path.glob("*.partial"))
    assert (tmp_path / f"{CONVOLUTION.name}.pt").is_file()


def test_train_that_is_stopped_returns_at_once(samples):
    x, label = samples
    stop = Event()
    stop.set()
    model = train(LINEAR, x, label, seed=0, epochs=10**6, stop=stop)
    assert not model.training
