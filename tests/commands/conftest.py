"""A small loop on the disk, and measuring that needs no quiet machine."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from linear_loop import Loop, make_loop

from encas.cli import group
from encas.jobs.export_front import export_bundle
from encas.runtime import clock


@pytest.fixture
def loop(tmp_path, monkeypatch) -> Loop:
    monkeypatch.chdir(tmp_path)
    return make_loop(tmp_path)


@pytest.fixture
def patient(monkeypatch) -> None:
    """Tests run beside others: any three windows agree."""
    values = {"window": 3, "tolerance": 20.0, "min_window_ms": 0.5, "max_windows": 200}
    protocol = clock.StabilityProtocol(**values)
    monkeypatch.setattr("encas.jobs.measure_latency.PATIENT", protocol)
    original = clock.StabilityProtocol

    def tolerant(**options):
        return original(**(options | values))

    monkeypatch.setattr("encas.commands.measuring_options.StabilityProtocol", tolerant)


@dataclass(frozen=True)
class NatLoop:
    """A run of a supernetwork on small images: its DATA, its folder and what was printed."""

    data: str
    folder: Path
    printed: dict
    progress: str


SMALL_RUN = (
    "--iterations", 1, "--archive-size", 8, "--surrogate-evaluations", 50, "--size", 8,
    "--epochs", 1, "--warm-up-epochs", 1, "--training-batch-size", 24, "--samples", 100,
)  # fmt: skip


@pytest.fixture(scope="session")
def small_run() -> tuple:
    """Options that make a run of a supernetwork take a second."""
    return SMALL_RUN


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Networks this small lose time on a second thread."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def nat_loop(one_thread, tmp_path_factory) -> NatLoop:
    """150 images of three classes, and a run of `encas nat` on a part of them."""
    pytest.importorskip("pymoo")
    folder = tmp_path_factory.mktemp("nat")
    x = np.random.default_rng(0).integers(0, 255, (150, 10, 10, 3)).astype(np.uint8)
    np.savez(folder / "images.npz", x=x, label=np.arange(150) % 3)
    data = f"npz:{folder / 'images.npz'}"
    call = ("nat", "run", "--supernet", "small-fused", "--data", data, "--out", folder / "run")
    done = CliRunner().invoke(group, [str(word) for word in (*call, *SMALL_RUN, "--json")])
    assert done.exit_code == 0, done.output
    return NatLoop(
        data=data, folder=folder / "run", printed=json.loads(done.stdout), progress=done.stderr
    )


@pytest.fixture(scope="session")
def bundles(tmp_path_factory) -> Path:
    """A folder of two bundles: `three` (small, medium, large) and `two` (small, large)."""
    folder = tmp_path_factory.mktemp("bundles")
    loop = make_loop(folder)
    for name, index in (("three", 2), ("two", 1)):
        export_bundle(loop.front, loop.pool, index=index, data=loop.data, out=folder / name)
    return folder
