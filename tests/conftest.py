"""Fixtures that several parts of the tests share."""

import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from encas.cli import main
from encas.pools.model import Model
from encas.pools.pool import Pool

REPOSITORY = Path(__file__).resolve().parent.parent
CLASSES = ("ant", "bee", "cat")
PER_CLASS = 4
NETS = """
import os
import time

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width, classes):
        super().__init__()
        self.body = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)).mean(dim=(2, 3)))


class Softmaxed(Net):
    def forward(self, x):
        return super().forward(x).softmax(dim=1)


class Slow(Net):
    def forward(self, x):
        time.sleep(0.03 * len(x))
        return super().forward(x)


class Broken(Net):
    def forward(self, x):
        raise KeyError("a bug of the model's author")


class Dying(Net):
    def forward(self, x):
        os._exit(7)


class Greedy(Net):
    def forward(self, x):
        if len(x) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return super().forward(x)


class Infinite(Net):
    def forward(self, x):
        return super().forward(x) / 0


STYLES = {style.__name__.lower(): style for style in Net.__subclasses__()} | {"net": Net}


def make(style="net", width=4, classes=3):
    return STYLES[style](width, classes)


def not_a_module():
    return 3
"""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that lies beside a developer's checkout."""
    return _beside("data", "the real data is")


@pytest.fixture(scope="session")
def shared_cases() -> Path:
    """The folder of small inputs that once failed, beside a developer's checkout."""
    return _beside("cases", "the cases are")


def _beside(name: str, what: str) -> Path:
    path = REPOSITORY.parent / "shared" / name
    if not path.is_dir():
        pytest.skip(f"{what} not here: {path}")
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def tiny_pool() -> Pool:
    """Three models, eight samples, three classes, by hand: the dearer the better."""
    cheap = [
        [0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.2, 0.7, 0.1], [0.4, 0.3, 0.3],
        [0.1, 0.1, 0.8], [0.5, 0.3, 0.2], [0.3, 0.4, 0.3], [0.6, 0.2, 0.2],
    ]  # fmt: skip
    middle = [
        [0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.9, 0.0], [0.7, 0.2, 0.1],
        [0.2, 0.2, 0.6], [0.2, 0.2, 0.6], [0.6, 0.2, 0.2], [0.5, 0.3, 0.2],
    ]  # fmt: skip
    dear = [
        [1.0, 0.0, 0.0], [0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0],
        [0.0, 0.0, 1.0], [0.1, 0.0, 0.9], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9],
    ]  # fmt: skip
    return Pool.of(
        outputs=np.array([cheap, middle, dear], np.float32),
        label=np.array([0, 1, 1, 0, 2, 2, 1, 2]),
        names=["cheap", "middle", "dear"],
        costs={"macs": [1e6, 4e6, 2e7], "params": [1e3, 5e3, 3e4]},
        name="tiny",
    )


@pytest.fixture(scope="session")
def cifar_pool(shared_data: Path) -> Pool:
    """Sixteen real CIFAR-10 networks on 3,000 validation images."""
    return cifar10_pool(shared_data, "val")


@pytest.fixture(scope="session")
def cifar_test_pool(shared_data: Path) -> Pool:
    """The same networks on 3,000 test images."""
    return cifar10_pool(shared_data, "test")


def cifar10_pool(data: Path, split: str) -> Pool:
    arrays = np.load(data / "cifar10" / f"{split}_outputs.npz", allow_pickle=False)
    kinds = {"logits": "logits", "probs": "probabilities"}
    models = [
        Model(name=str(name), kind=kinds[str(kind)], costs={"macs": float(m), "params": float(p)})
        for name, kind, m, p in zip(
            arrays["model"], arrays["raw_kind"], arrays["macs"], arrays["params"], strict=True
        )
    ]
    return Pool.of(
        outputs=list(arrays["raw"]), label=arrays["label"], models=models, name=f"cifar10-{split}"
    )


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in ImageFolder layout: 3 classes of 4 noisy pictures of several sizes."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(5)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir()
        for index in range(PER_CLASS):
            shape = (20 + index, 24, 3)
            pixels = rng.integers(0, 128, shape) + np.eye(3, dtype=int)[label] * 100
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(root / name / f"{index}.png")
    return root


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a module `little_nets` and a preprocessing.json in it."""
    (tmp_path / "little_nets.py").write_text(NETS)
    text = '{"size": [8, 8], "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.2]}'
    (tmp_path / "preprocessing.json").write_text(text)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("little_nets", None)


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def encas(capsys) -> Callable[..., Ran]:
    """Runs the command line in this process: `encas("pool", "show", path).json`."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code=int(stop.value.code or 0), out=captured.out, err=captured.err)

    return run


@pytest.fixture
def ctrl_c() -> Iterator[Callable[[], None]]:
    """Presses Ctrl-C, which raises here and in new processes as in a terminal.

    Jobs in the background are started with the signal ignored, and so are their children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not Path("/dev/nvidia0").exists():
        pytest.skip("needs a CUDA device")
