"""The demo's pools: the splits of digits, with everything that an export needs."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from encas.demo.demo_pools import DemoTraining, make_pools, pool_path, train_networks
from encas.demo.digit_networks import RECIPES
from encas.pools.models.specs import source_model
from encas.pools.pool import Pool
from encas.progress import Progress


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("pools")
    done: list[Progress] = []
    networks = train_networks(
        out, RECIPES[:2], settings=DemoTraining(n_drawings=1), on_progress=done.append
    )
    make_pools(out, networks)
    assert [each.done for each in done] == [0, 1, 2]
    return out


def test_pools_have_the_split_sizes_and_share_their_models(folder):
    pools = {name: Pool.load(pool_path(folder, name)) for name in ("search", "selection", "test")}
    assert [pool.n_samples for pool in pools.values()] == [400, 257, 540]
    assert len({pool.names for pool in pools.values()}) == 1
    assert pools["test"].data == "digits32:test"
    assert pool_path(folder, "search").name == "pool"


def test_pool_that_was_moved_still_finds_its_weights(folder, tmp_path):
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    pool = Pool.load(pool_path(moved, "search"))
    source = source_model(pool.models[0].source, base=pool.path)
    moved.rename(folder)
    assert source.input_shape == (1, 32, 32)


def test_training_again_uses_the_weights_and_another_seed_does_not(folder):
    def files() -> set[str]:
        return {path.name for path in (folder / "networks").iterdir()}

    before = files()
    train_networks(folder, RECIPES[:2], settings=DemoTraining(n_drawings=1))
    assert files() == before
    train_networks(folder, RECIPES[:1], settings=DemoTraining(seed=1, n_drawings=1))
    assert len(files()) == len(before) + 1
