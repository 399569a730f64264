"""Samples that a small network learns in a few epochs."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """Networks this small lose time on a second thread, most of all beside other work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def halves(tmp_path_factory) -> str:
    """DATA: 96 ready samples of two classes, of which a bright half of the picture tells."""
    rng = np.random.default_rng(0)
    label = np.arange(96) % 2
    x = rng.normal(0, 0.6, (96, 1, 8, 8)).astype(np.float32)
    x[label == 0, :, :4] += 1
    x[label == 1, :, 4:] += 1
    path = tmp_path_factory.mktemp("data") / "halves.npz"
    np.savez(path, x=x, label=label)
    return f"npz:{path}"


@pytest.fixture(scope="session")
def joint_news() -> list:
    """All progress that the run `joint_run` tells of."""
    return []


@pytest.fixture(scope="session")
def joint_run(halves, tmp_path_factory, joint_news):
    """A finished run of ENCAS-joint over two small supernetworks, to be left as it is."""
    pytest.importorskip("pymoo")
    from joint_loop import run_jointly  # noqa: PLC0415

    out = tmp_path_factory.mktemp("joint") / "run"
    return run_jointly(halves, out, hear=joint_news.append)
