"""What a user can choose for a Triton repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from ...errors import ServingError
from ...runtime.batching import Batching

Layout: TypeAlias = Literal["graph", "bls", "ensemble", "python"]
Target: TypeAlias = Literal["cpu", "gpu"]
Backend: TypeAlias = Literal["onnxruntime", "python"]
ImageInput: TypeAlias = Literal["files", "pixels"]

US_PER_MS = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutOptions:
    """How cascades become Triton models.

    Args:
        layout: "graph": one ONNX file with the exits inside; "bls": members as models of their own
            and a model that calls them; "python": one model that holds the executor;
            "ensemble": preprocessing and class names around one of these.
        around: the layout that an ensemble stands around.
        target: the profile, "cpu" or "gpu".
        max_batch_size: of every model.
        max_delay_ms: how long a request may wait for others.
        max_queue: requests that may wait for a model; 0: no limit.
        instances: copies of each model.
        threads: of each ONNX session on a CPU; None: the backend's own choice.
        backend: what runs ONNX files: Triton's backend, or its Python backend where the server has
            no other.
        tensorrt: whether TensorRT builds engines, a profile for each bucket of the batch size.
        thresholds: instead of the bundle's; None: the bundle's.
        image_input: what an ensemble takes: image files, or pixels.

    Raises:
        ServingError: choices that contradict each other.
    """

    layout: Layout = "graph"
    around: Layout = "graph"
    target: Target = "gpu"
    max_batch_size: int = 64
    max_delay_ms: float = 0.0
    max_queue: int = 1024
    instances: int = 1
    threads: int | None = None
    backend: Backend = "onnxruntime"
    tensorrt: bool = False
    thresholds: tuple[float, ...] | None = None
    image_input: ImageInput = "files"

    def __post_init__(self) -> None:
        faults = []
        if self.layout not in get_args(Layout) or self.around not in get_args(Layout):
            faults.append(f"the layouts are {', '.join(get_args(Layout))}, got {self.layout!r}")
        if self.around == "ensemble":
            faults.append("an ensemble stands around graph, bls or python, not around an ensemble")
        if (
            min(self.max_batch_size, self.instances) < 1
            or min(self.max_delay_ms, self.max_queue) < 0
        ):
            faults.append("sizes, delays and counts must not be negative, and batches not empty")
        if self.tensorrt and (self.target != "gpu" or self.backend != "onnxruntime"):
            faults.append("TensorRT needs the target 'gpu' and the backend 'onnxruntime'")
        if faults:
            raise ServingError(*faults, where="Triton repository")

    @property
    def core(self) -> Layout:
        """The layout of the cascade itself."""
        return self.around if self.layout == "ensemble" else self.layout

    @property
    def buckets(self) -> tuple[int, ...]:
        """The batch sizes that are warmed up, and that TensorRT has profiles for."""
        return Batching.powers_of_two(self.max_batch_size).buckets
