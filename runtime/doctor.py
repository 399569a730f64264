"""What works on this machine, what does not, and what to do about it: `examine`."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from ..errors import MissingExtraError, SessionError
from ..version import __version__
from .device import Device, DeviceKind, nvidia_gpus

# y = Relu(x) of float x [n]: opset 13, IR version 8.
PROBE = (
    b'\x08\x08:5\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x01gZ\x10\n\x01x\x12\x0b\n\t\x08\x01\x12\x05'
    b"\n\x03\x12\x01nb\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04\n\x00\x10\r"
)
KINDS: tuple[DeviceKind, ...] = ("cpu", "cuda", "tensorrt")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCheck:
    """Whether a model really loads on a kind of device; `reason` and remedy where it does not."""

    device: str
    works: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraCheck:
    """An extra of this package and which of its distributions are installed."""

    extra: str
    installed: Mapping[str, str]
    missing: tuple[str, ...]

    @property
    def remedy(self) -> str:
        """The command that completes the extra, "" where nothing is missing."""
        return f"pip install 'encas[{self.extra}]'" if self.missing else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Versions, devices, GPUs and extras of this machine."""

    versions: Mapping[str, str]
    devices: tuple[DeviceCheck, ...]
    gpus: tuple[str, ...]
    extras: tuple[ExtraCheck, ...]


def examine() -> Diagnosis:
    """Looks at versions and extras, and loads a model on every kind of device."""
    return Diagnosis(
        versions={
            "encas": __version__,
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        devices=tuple(check_device(kind) for kind in KINDS),
        gpus=nvidia_gpus(),
        extras=tuple(_extras()),
    )


def check_device(kind: DeviceKind) -> DeviceCheck:
    """Loads a tiny model on the first device of a kind."""
    device = Device(kind=kind)
    try:
        from .ort_opening import open_session  # noqa: PLC0415 - onnxruntime is optional

        open_session(PROBE, device=device, n_threads=1, name="probe")
    except (SessionError, MissingExtraError) as cause:
        return DeviceCheck(device=str(device), works=False, reason=str(cause))
    return DeviceCheck(device=str(device), works=True)


def _extras() -> Iterator[ExtraCheck]:
    required: dict[str, list[str]] = {}
    for requirement in metadata.requires("encas") or []:
        match = re.match(r"([A-Za-z0-9._-]+).*extra == [\"']([^\"']+)[\"']", requirement)
        if match and match[1] != "encas":
            required.setdefault(match[2], []).append(match[1])
    for extra in sorted(required):
        versions = {name: _version(name) for name in required[extra]}
        yield ExtraCheck(
            extra=extra,
            installed={name: version for name, version in versions.items() if version},
            missing=tuple(name for name, version in versions.items() if not version),
        )


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""
