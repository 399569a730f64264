"""What a GPU says of itself while times are measured: its clock and its energy, through NVML.

Source: NVIDIA Management Library (NVML) API reference, nvmlDeviceGetClockInfo and
nvmlDeviceGetTotalEnergyConsumption (Volta and newer; millijoules since the driver was loaded).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

try:
    import pynvml
except ImportError:
    # It comes with the extra [gpu]; where it is missing there is no GPU that could be asked.
    pynvml = None


class Meter(Protocol):
    """What can be read off a device; None where it does not tell."""

    def sm_clock_mhz(self) -> float | None:
        """The present clock of the multiprocessors, in MHz."""
        ...

    def energy_mj(self) -> float | None:
        """The energy used since the driver was loaded, in millijoules."""
        ...


class NoMeter:
    """A device that tells nothing."""

    def sm_clock_mhz(self) -> float | None:
        """None."""
        return None

    def energy_mj(self) -> float | None:
        """None."""
        return None


class NvmlMeter:
    """An NVIDIA GPU as NVML shows it.

    Args:
        nvml: the module pynvml, initialised.
        handle: of the GPU.
    """

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle

    def sm_clock_mhz(self) -> float | None:
        """See `Meter.sm_clock_mhz`."""
        return self._read(self._nvml.nvmlDeviceGetClockInfo, self._nvml.NVML_CLOCK_SM)

    def energy_mj(self) -> float | None:
        """See `Meter.energy_mj`."""
        return self._read(self._nvml.nvmlDeviceGetTotalEnergyConsumption)

    def _read(self, function: Any, *arguments: Any) -> float | None:
        try:
            return float(function(self._handle, *arguments))
        except self._nvml.NVMLError:
            # Some GPUs, and partitions of them, do not tell.
            return None


@cache
def meter_of(device: str, nvml: Any = pynvml) -> Meter:
    """The meter of a device such as "cuda:0"; one that tells nothing for a processor.

    Args:
        device: its name; a name that is none has no meter.
        nvml: the module pynvml, None where it is not installed.
    """
    kind, _, index = device.partition(":")
    if nvml is None or kind not in ("cuda", "tensorrt"):
        return NoMeter()
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByIndex(int(index or 0))
    except nvml.NVMLError:
        return NoMeter()
    return NvmlMeter(nvml, handle)
