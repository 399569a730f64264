import sys

import onnx
import pytest
from onnx import TensorProto, helper

from encas.runtime import doctor
from encas.runtime.doctor import PROBE, check_device, examine
from encas.version import __version__


def test_probe_is_the_model_that_it_is_said_to_be():
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert onnx.load_model_from_string(PROBE) == made


def test_examine_finds_the_cpu_working_and_versions():
    diagnosis = examine()
    cpu = diagnosis.devices[0]
    assert (cpu.device, cpu.works, cpu.reason) == ("cpu", True, "")
    assert diagnosis.versions["encas"] == __version__


def test_examine_tells_what_each_extra_lacks(monkeypatch):
    requirements = [
        "numpy>=1.26",
        'onnxruntime>=1.20; extra == "cpu"',
        'onnx>=1.17; extra == "export"',
        "no-such-thing[x]>=1; extra == 'export'",
        'encas[cpu]; extra == "demo"',
    ]
    monkeypatch.setattr(doctor.metadata, "requires", lambda _name: requirements)
    cpu, export = examine().extras
    assert (cpu.extra, cpu.missing, cpu.remedy) == ("cpu", (), "")
    assert set(cpu.installed) == {"onnxruntime"}
    assert (export.extra, export.missing) == ("export", ("no-such-thing",))
    assert export.remedy == "pip install 'encas[export]'"


def test_check_device_without_a_driver_says_why_and_what_to_do():
    check = check_device("tensorrt")
    if check.works:
        pytest.skip("TensorRT is here")
    assert check.device == "tensorrt:0"
    assert "does not load" in check.reason


def test_check_device_without_onnxruntime_says_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "encas.runtime.ort_opening", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check = check_device("cpu")
    assert not check.works
    assert "pip install 'encas[cpu]'" in check.reason
