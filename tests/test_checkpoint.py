import numpy as np
import pytest

from encas.checkpoint import Checkpoint, CheckpointKeeper
from encas.errors import SearchError

STATE = {"a.b": np.arange(5), "c": np.array(2.5)}


@pytest.fixture
def path(tmp_path):
    Checkpoint(path=tmp_path / "run.npz", fingerprint="seed 1").save(STATE)
    return tmp_path / "run.npz"


def resuming(path, fingerprint="seed 1") -> Checkpoint:
    return Checkpoint(path=path, fingerprint=fingerprint, resume=True)


def test_load_returns_what_was_saved(path):
    loaded = resuming(path).load()
    assert loaded is not None
    assert {name: array.tobytes() for name, array in loaded.items()} == {
        name: array.tobytes() for name, array in STATE.items()
    }


def test_load_without_resume_or_file_is_none(path, tmp_path):
    assert Checkpoint(path=path, fingerprint="seed 1").load() is None
    assert resuming(tmp_path / "other.npz").load() is None


def test_load_other_settings_are_refused(path):
    with pytest.raises(SearchError, match=r"expected 'seed 2', got 'seed 1'; resume with the same"):
        resuming(path, "seed 2").load()


@pytest.mark.parametrize("damage", ["cut", "text", "empty", "folder"])
def test_load_damaged_file_is_refused(path, damage):
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": content[:-60], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(SearchError, match=r"run\.npz: not a checkpoint"):
        resuming(path).load()


def test_load_foreign_arrays_are_refused(path):
    np.savez(path, allow_pickle=False, x=np.arange(3))
    with pytest.raises(SearchError, match=r"expected a checkpoint encas\.checkpoint\.2"):
        resuming(path).load()


def test_load_pickles_are_refused(path):
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(SearchError, match="not a checkpoint: Object arrays cannot be loaded"):
        resuming(path).load()


class Counter:
    """Counts; may be stored at even numbers only."""

    def __init__(self, n=0):
        self.n = n

    @property
    def resumable(self):
        return self.n % 2 == 0

    def state(self):
        return {"n": np.array(self.n)}

    def restore(self, state):
        self.n = int(state["n"])


def test_keeper_gives_back_what_it_kept(path):
    checkpoint = Checkpoint(path=path, fingerprint="f", resume=True, every_s=7.0)
    keeper = CheckpointKeeper(checkpoint=checkpoint, of=Counter(4))
    assert keeper.every_s == 7.0
    assert keeper.keep() is True
    counter = Counter()
    CheckpointKeeper(checkpoint=checkpoint, of=counter).resume()
    assert counter.n == 4


def test_keeper_keeps_nothing_where_no_state_may_be_taken(tmp_path):
    checkpoint = Checkpoint(path=tmp_path / "run.npz", fingerprint="f", resume=True)
    counter = Counter(3)
    keeper = CheckpointKeeper(checkpoint=checkpoint, of=counter)
    assert keeper.keep() is False
    keeper.resume()
    assert counter.n == 3
    assert not checkpoint.path.exists()
