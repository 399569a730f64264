"""The devices that a session can run on, as a user names them."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ..errors import SessionError

DeviceKind: TypeAlias = Literal["cpu", "cuda", "tensorrt"]

NVIDIA_SMI_TIMEOUT_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A processor, or the accelerator `index` of a kind."""

    kind: DeviceKind
    index: int = 0

    @classmethod
    def parse(cls, text: str) -> Device:
        """The device that "cpu", "cuda", "cuda:1" or "tensorrt:0" names.

        Raises:
            SessionError: it names none.
        """
        match = re.fullmatch(r"(cpu|cuda|tensorrt)(?::(\d{1,3}))?", text)
        if match is None or (match[1] == "cpu" and match[2]):
            raise SessionError(f"expected cpu, cuda:N or tensorrt:N as the device, got {text!r}")
        return cls(kind=cast(DeviceKind, match[1]), index=int(match[2] or 0))

    def __str__(self) -> str:
        return "cpu" if self.kind == "cpu" else f"{self.kind}:{self.index}"


@cache
def device_name(device: Device) -> str:
    """The processor's or accelerator's own name, "" where it cannot be found out."""
    if device.kind == "cpu":
        return _processor_name()
    names = nvidia_gpus()
    return names[device.index] if device.index < len(names) else ""


def nvidia_gpus() -> tuple[str, ...]:
    """The names of NVIDIA's GPUs with their driver, as nvidia-smi tells them; often none."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    query = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(
            query, capture_output=True, text=True, timeout=NVIDIA_SMI_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip())


def _processor_name() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file():
        match = re.search(r"^model name\s*:\s*(.+)$", table.read_text("utf-8"), re.MULTILINE)
        if match:
            return match[1].strip()
    return platform.processor() or platform.machine()
