import stat
import sys

import pytest

from encas.errors import SessionError
from encas.runtime.device import Device, device_name, nvidia_gpus


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", Device(kind="cpu")),
        ("cuda", Device(kind="cuda", index=0)),
        ("cuda:3", Device(kind="cuda", index=3)),
        ("tensorrt:0", Device(kind="tensorrt")),
    ],
)
def test_device_of_a_name(text, device):
    assert Device.parse(text) == device


def test_device_says_its_name():
    assert [str(Device.parse(text)) for text in ("cpu", "cuda", "tensorrt:2")] == [
        "cpu", "cuda:0", "tensorrt:2",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "CUDA"])
def test_device_of_another_name_is_refused(text):
    with pytest.raises(SessionError, match="expected cpu, cuda:N or tensorrt:N"):
        Device.parse(text)


def test_device_name_of_the_processor_is_known():
    assert device_name(Device(kind="cpu"))


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for nvidia-smi")
@pytest.mark.parametrize(
    ("script", "gpus"),
    [
        ("echo 'NVIDIA X, 580.1'; echo 'NVIDIA Y, 580.1'", ("NVIDIA X, 580.1", "NVIDIA Y, 580.1")),
        ("exit 9", ()),
    ],
)
def test_nvidia_gpus_are_those_that_nvidia_smi_shows(tmp_path, monkeypatch, script, gpus):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert nvidia_gpus() == gpus


def test_nvidia_gpus_without_a_driver_are_none(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == ()
