"""Runs torch models over samples."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from numpy.typing import NDArray

from ...arrays import FloatArray
from ...data.preprocessing import Preprocessing
from ...errors import MissingExtraError, SourceError
from ...runtime.device import Device
from .run_settings import RunSettings
from .source_model import SourceModel
from .torch_costs import torch_costs

try:
    import torch
except ImportError as error:
    raise MissingExtraError("running torch models", extra="export") from error

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
# What torch says of a module that looks at its tensors in the order of their memory (Tensor.view).
FIXED_LAYOUT = "view size is not compatible"


class TorchRunner:
    """A `ModelRunner` of a torch module.

    Images lie in memory with their channels last, which makes convolutions up to three times as
    fast on a CPU, unless the module cannot be run like that.

    Args:
        source: what builds the module.
        settings: where and how it runs.

    Raises:
        SourceError: the module cannot be built, or torch has no such device.
    """

    def __init__(self, source: SourceModel, settings: RunSettings) -> None:
        assert source.build is not None
        self._where = source.spec
        self._settings = settings
        self._device = _torch_device(settings.device)
        if self._device.type == "cuda":
            # TF32 moves outputs by 1e-3 where nothing but float32 was asked for.
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cuda.matmul.allow_tf32 = False
        self._module: Any = source.build()
        self._layout = torch.channels_last
        self.kind = source.kind
        self.frozen_batch: int | None = None

    def costs(self, sample: NDArray[Any]) -> Mapping[str, float]:
        """See `ModelRunner.costs`."""
        # Counted on the CPU, where every machine counts the same.
        try:
            with threads(self._settings.n_threads):
                return torch_costs(self._module.to("cpu"), torch.tensor(sample))
        except (RuntimeError, TypeError, ValueError) as cause:
            message = f"does not run on a sample {list(sample.shape[1:])}: {cause}"
            raise SourceError(message, where=self._where) from cause

    def run(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> FloatArray:
        """See `ModelRunner.run`."""
        samples = self._on_device(batch, preprocessing)
        try:
            outputs = self._answers(samples)
        except RuntimeError as cause:
            if FIXED_LAYOUT not in str(cause) or self._layout is torch.contiguous_format:
                raise
            self._layout = torch.contiguous_format
            outputs = self._answers(samples)
        if not isinstance(outputs, torch.Tensor):
            got = type(outputs).__name__
            raise SourceError(f"expected a tensor to be returned, got {got}", where=self._where)
        return outputs.float().cpu().numpy()

    def _answers(self, samples: torch.Tensor) -> Any:
        module = self._module.to(self._device, memory_format=self._layout)
        if samples.ndim == 4:
            samples = samples.contiguous(memory_format=self._layout)
        with threads(self._settings.n_threads), torch.inference_mode(), self._autocast():
            return module(samples)

    def _autocast(self) -> Any:
        if self._settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self._device.type, DTYPES[self._settings.precision])

    def _on_device(self, batch: NDArray[Any], preprocessing: Preprocessing | None) -> torch.Tensor:
        if preprocessing is None:
            return torch.tensor(batch, device=self._device)
        if self._device.type == "cpu":
            return torch.from_numpy(preprocessing.normalised(batch))
        # Bytes travel faster than floats, and a GPU divides faster than the CPU that feeds it.
        pixels = torch.tensor(batch, device=self._device).float()
        mean = torch.tensor(preprocessing.mean, device=self._device)
        std = torch.tensor(preprocessing.std, device=self._device)
        samples = (pixels / preprocessing.scale - mean) / std
        if preprocessing.layout == "nhwc":
            return samples
        return samples.permute(0, 3, 1, 2).contiguous()


@contextmanager
def threads(n: int) -> Generator[None]:
    """Lets torch work on `n` threads; more or fewer would change the last bits of the outputs."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch_device(text: str) -> torch.device:
    device = Device.parse(text)
    if device.kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available() or device.index >= torch.cuda.device_count():
        n = torch.cuda.device_count() if torch.cuda.is_available() else 0
        raise SourceError(f"torch sees {n} CUDA devices here, so nothing can run on {text}")
    return torch.device("cuda", device.index)
