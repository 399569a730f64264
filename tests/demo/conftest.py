"""A small demo, run once: six networks, one pass each over eight drawings of the digits."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("onnxruntime")

from encas.demo.demo_flow import DemoResult, DemoSettings, run_demo
from encas.demo.demo_pools import DemoTraining
from encas.demo.digit_networks import RECIPES
from encas.progress import Progress

SMALL = DemoSettings(
    recipes=(*RECIPES[:3], RECIPES[7], RECIPES[14], RECIPES[24]),
    training=DemoTraining(n_drawings=8),
    evaluations=500,
    batch_sizes=(1, 4),
)


class Steps:
    """Remembers how far each step has come."""

    def __init__(self) -> None:
        self.latest: dict[str, Progress] = {}

    def __call__(self, progress: Progress) -> None:
        self.latest[progress.what] = progress


@pytest.fixture(scope="session")
def steps() -> Steps:
    return Steps()


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("demo") / "out"


@pytest.fixture(scope="session")
def result(demo_folder, steps) -> DemoResult:
    return run_demo(demo_folder, on_progress=steps, settings=SMALL)
