"""What TensorRT must be told before it builds engines: shapes, and where the engines are kept."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePlan:
    """One optimisation profile for each bucket, in engines that are built once and kept.

    Without explicit profiles TensorRT builds anew whenever a batch is larger or smaller than all
    before (onnxruntime #12120).

    Args:
        input_name: of the model.
        input_shape: of one sample.
        buckets: the batch sizes, ascending.
        key: tells the model, the versions and the GPU apart from others: an engine runs where it
            was built and nowhere else (#16889).
    """

    input_name: str
    input_shape: tuple[int, ...]
    buckets: tuple[int, ...]
    key: str

    def provider_options(self) -> dict[str, str]:
        """The options of ONNX Runtime's TensorRT provider."""
        smallest = (1, *(size + 1 for size in self.buckets[:-1]))
        return {
            "trt_profile_min_shapes": self._shapes(smallest),
            "trt_profile_opt_shapes": self._shapes(self.buckets),
            "trt_profile_max_shapes": self._shapes(self.buckets),
            "trt_engine_cache_enable": "1",
            "trt_engine_cache_path": str(cache_folder() / "tensorrt" / self.key),
            "trt_timing_cache_enable": "1",
            "trt_timing_cache_path": str(cache_folder() / "tensorrt"),
        }

    def _shapes(self, sizes: tuple[int, ...]) -> str:
        dims = "x".join(map(str, self.input_shape))
        return ",".join(f"{self.input_name}:{size}x{dims}" for size in sizes)


def engine_key(*parts: str) -> str:
    """A name for the folder of engines that depend on all these parts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def cache_folder() -> Path:
    """Where this package keeps what is dear to make again; XDG_CACHE_HOME moves it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "encas"
