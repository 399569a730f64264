"""Torch modules that answer, by the numbers of small ones."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from encas.data.preprocessing import Preprocessing  # noqa: E402
from encas.errors import SourceError  # noqa: E402
from encas.pools.models.run_settings import RunSettings  # noqa: E402
from encas.pools.models.source_model import SourceModel  # noqa: E402
from encas.pools.models.torch_runner import TorchRunner, threads  # noqa: E402

pytestmark = pytest.mark.torch


class Viewing(nn.Module):
    """Takes its samples in the order of their memory, which must be that of their channels."""

    def forward(self, x):
        return x.view(len(x), -1)


class Seeing(nn.Module):
    """Keeps how its samples lie in memory."""

    is_channels_last: bool | None = None

    def forward(self, x):
        self.is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
        return x.mean(dim=(2, 3))


def runner_of(module: nn.Module, kind: str = "logits", **settings) -> TorchRunner:
    source = SourceModel(spec="torch:m", build=lambda: module, kind=kind)
    return TorchRunner(source, RunSettings(**settings))


def images(n: int = 2) -> np.ndarray:
    return np.arange(n * 12, dtype=np.float32).reshape(n, 3, 2, 2)


def test_run_gives_what_the_module_computes_as_float32():
    runner = runner_of(nn.Identity(), "probabilities")
    batch = np.arange(6.0).reshape(2, 3)
    outputs = runner.run(batch, None)
    assert outputs.dtype == np.float32
    assert outputs.tolist() == batch.tolist()
    assert (runner.kind, runner.frozen_batch) == ("probabilities", None)


def test_run_puts_the_channels_of_images_last():
    module = Seeing()
    outputs = runner_of(module).run(images(), None)
    assert module.is_channels_last is True
    np.testing.assert_allclose(outputs, images().mean(axis=(2, 3)))


def test_run_of_a_module_that_needs_its_channels_first_puts_them_first():
    runner = runner_of(Viewing())
    for n in (2, 3):
        assert runner.run(images(n), None).tolist() == images(n).reshape(n, -1).tolist()


def test_run_of_a_module_that_fails_otherwise_says_so():
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        runner_of(nn.Linear(4, 2)).run(np.zeros((1, 3), np.float32), None)


def test_run_of_what_returns_no_tensor_is_refused():
    class Both(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(SourceError, match="torch:m: expected a tensor to be returned, got tuple"):
        runner_of(Both()).run(images(), None)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_run_with_a_preprocessing_normalises_pixels(layout):
    preprocessing = Preprocessing(
        size=(2, 2), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2), layout=layout
    )
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
    outputs = runner_of(nn.Identity()).run(pixels, preprocessing)
    np.testing.assert_array_equal(outputs, preprocessing.normalised(pixels))


def test_run_in_half_precision_rounds_what_is_computed():
    torch.manual_seed(0)
    module, batch = nn.Linear(64, 3), np.random.default_rng(1).normal(size=(2, 64))
    batch = batch.astype(np.float32)
    full = runner_of(module).run(batch, None)
    half = runner_of(module, precision="bfloat16").run(batch, None)
    assert half.dtype == np.float32
    assert not np.array_equal(half, full)
    np.testing.assert_allclose(half, full, atol=0.05)
    np.testing.assert_array_equal(half, torch.tensor(half).bfloat16().float().numpy())


def test_costs_are_those_of_a_sample_and_leave_the_module_as_it_was():
    runner = runner_of(nn.Linear(3, 2))
    costs = runner.costs(np.zeros((1, 3), np.float32))
    assert (costs["macs"], costs["params"]) == (6, 8)
    assert runner.run(np.zeros((1, 3), np.float32), None).shape == (1, 2)


def test_costs_on_a_sample_that_does_not_fit_are_refused():
    match = r"torch:m: does not run on a sample \[4\]: "
    with pytest.raises(SourceError, match=match):
        runner_of(nn.Linear(3, 2)).costs(np.zeros((1, 4), np.float32))


def test_threads_are_as_many_as_told_and_afterwards_as_before():
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_threads_of_what_fails_are_afterwards_as_before():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        runner_of(nn.Linear(4, 2), n_threads=before + 1).run(np.zeros((1, 3), np.float32), None)
    assert torch.get_num_threads() == before


def test_run_works_on_the_threads_of_the_settings():
    class Counting(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 1), float(torch.get_num_threads()))

    before = torch.get_num_threads()
    for n in (1, before + 1):
        assert runner_of(Counting(), n_threads=n).run(images(), None).tolist() == [[n], [n]]
    assert torch.get_num_threads() == before


def test_device_that_is_not_there_is_refused():
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    match = f"torch sees {n} CUDA devices here, so nothing can run on cuda:99"
    with pytest.raises(SourceError, match=match):
        runner_of(nn.Identity(), device="cuda:99")
