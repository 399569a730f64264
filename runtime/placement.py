"""Where and how the sessions of a bundle run: `Placement`."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SessionError
from ..processors import usable_processors
from .device import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where and how sessions run.

    Args:
        device: "cpu", "cuda:0", "tensorrt:0", ...
        n_threads: intra-operator threads of each session; None: every processor there is.
        gpu_memory_bytes: the most memory of a GPU for each session; None: no limit.
        cuda_graphs: replay each bucket of each member as one CUDA graph.
        buckets: the batch sizes that TensorRT builds engines for; empty: as they come.

    Raises:
        SessionError: there is no such kind of device, or it has no CUDA graphs.
    """

    device: str = "cpu"
    n_threads: int | None = None
    gpu_memory_bytes: int | None = None
    cuda_graphs: bool = False
    buckets: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.cuda_graphs and self.place.kind == "cpu":
            raise SessionError("CUDA graphs need a device cuda:N or tensorrt:N, got cpu")

    @property
    def place(self) -> Device:
        """The device."""
        return Device.parse(self.device)

    @property
    def threads(self) -> int:
        """The intra-operator threads of each session."""
        return self.n_threads or usable_processors()


DEFAULT_PLACEMENT = Placement()
