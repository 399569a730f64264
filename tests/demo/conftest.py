"""A small demo, run once: five networks, one pass each over the training samples."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("onnxruntime")

from encas.demo.demo_flow import DemoResult, DemoSettings, run_demo
from encas.demo.demo_pools import DemoTraining
from encas.demo.digit_networks import RECIPES

SMALL = DemoSettings(
    recipes=(*RECIPES[:3], RECIPES[7], RECIPES[14]),
    training=DemoTraining(epochs=8),
    evaluations=500,
    batch_sizes=(1, 4),
)


class Steps:
    """Remembers every step and how much of it was done."""

    def __init__(self) -> None:
        self.done: dict[str, float] = {}
        self.total: dict[str, float] = {}

    @contextmanager
    def __call__(self, description: str, total: float, /) -> Generator:
        self.total[description] = total
        yield lambda done: self.done.__setitem__(description, done)


@pytest.fixture(scope="session")
def steps() -> Steps:
    return Steps()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="session")
def result(demo_folder, steps) -> DemoResult:
    return run_demo(demo_folder, watch=steps, settings=SMALL)
