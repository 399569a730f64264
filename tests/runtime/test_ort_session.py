from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from encas.errors import SessionError
from encas.runtime import ort_session
from encas.runtime.device import Device, usable_processors
from encas.runtime.ort_session import (
    CPU,
    CUDA,
    TENSORRT,
    OrtSession,
    open_session,
    provider_options,
    session_options,
)

SHAPE, N_CLASSES = (1, 2, 3), 4


def session_of(model, **values) -> OrtSession:
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return OrtSession(
        content, **{"name": "m", "input_shape": SHAPE, "n_classes": N_CLASSES, **values}
    )


def test_session_gives_the_models_probabilities(model, probabilities, samples):
    session = session_of(model(3))
    session.warm_up([1, 4])
    found = session.run(samples)
    assert found.dtype == np.float32
    assert np.allclose(found, probabilities(3, samples), atol=1e-6)


def test_session_info_says_where_it_runs(model):
    info = session_of(model(0), n_threads=1, sha256="abc").info
    assert (info.name, info.input_shape, info.input_dtype) == ("m", SHAPE, "float32")
    assert (info.n_classes, info.sha256) == (N_CLASSES, "abc")
    assert (info.setting.device, info.setting.provider) == ("cpu", CPU)
    assert info.setting.n_threads == 1
    assert info.setting.versions["onnxruntime"] == onnxruntime.__version__


def test_session_takes_every_processor_unless_told(model):
    assert session_of(model(0)).info.setting.n_threads == usable_processors()


def test_session_takes_samples_that_are_not_contiguous(model, probabilities, samples):
    view = samples[::2, :, ::-1]
    assert np.allclose(session_of(model(1)).run(view), probabilities(1, view), atol=1e-6)


def test_session_run_by_many_threads_answers_each_its_own(model, samples):
    session = session_of(model(0))
    whole = session.run(samples)
    jobs = [np.random.default_rng(i).integers(0, 60, 5) for i in range(50)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda rows: session.run(samples[rows]), jobs))
    for rows, answer in zip(jobs, found, strict=True):
        assert np.allclose(answer, whole[rows], atol=1e-6)


def test_session_options_are_explicit_threads_that_sleep():
    options = session_options(3)
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_provider_options_of_each_device():
    assert provider_options(Device(kind="cpu")) == [CPU]
    cuda, cpu = provider_options(Device(kind="cuda", index=1), gpu_memory_bytes=2**30)
    assert cpu == CPU
    assert cuda == (
        CUDA,
        {
            "device_id": "1",
            "cudnn_conv_algo_search": "HEURISTIC",
            "use_tf32": "0",
            "arena_extend_strategy": "kSameAsRequested",
            "gpu_mem_limit": str(2**30),
        },
    )
    names = [item if isinstance(item, str) else item[0] for item in provider_options(
        Device(kind="tensorrt"))]  # fmt: skip
    assert names == [TENSORRT, CUDA, CPU]


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3), np.float32), r"m: expected samples \[n, 1, 2, 3\], got \[2, 3\]"),
        (np.zeros((2, *SHAPE)), "m: expected float32 samples, got float64"),
    ],
)
def test_session_on_samples_of_another_shape_or_type_is_refused(model, x, message):
    with pytest.raises(SessionError, match=message):
        session_of(model(0)).run(x)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"input_name": "x"}, "expected one input 'x', got"),
        ({"output_name": "y"}, "expected an output 'y', got"),
        ({"input_shape": (1, 2, 4)}, r"expected an input \['batch', 1, 2, 4\], got"),
        ({"input_shape": (6,)}, r"expected an input \['batch', 6\], got"),
        ({"n_classes": 5}, r"expected an output \[batch, 5\], got"),
        ({"device": "gpu"}, "expected cpu, cuda:N or tensorrt:N as the device, got 'gpu'"),
    ],
)
def test_session_of_a_model_that_is_not_as_told_is_refused(model, values, message):
    with pytest.raises(SessionError, match=message):
        session_of(model(0), **values)


@pytest.mark.parametrize("content", [b"", b"not an ONNX file"])
def test_session_of_a_foreign_file_is_refused(content):
    with pytest.raises(SessionError, match="m: cannot be loaded"):
        session_of(content)


def test_session_of_a_frozen_batch_is_refused(model):
    frozen = model(0)
    frozen.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    with pytest.raises(SessionError, match=r"expected an input \['batch', 1, 2, 3\], got \[8"):
        session_of(frozen)


def test_session_of_an_operator_from_a_library_is_refused(model):
    foreign = model(0)
    foreign.graph.node[0].domain = "evil.corp"
    foreign.opset_import.append(helper.make_opsetid("evil.corp", 1))
    with pytest.raises(SessionError, match="cannot be loaded"):
        session_of(foreign)


def test_session_of_a_model_that_fails_says_on_what(model):
    strange = model(0)
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [7, 6])
    strange.graph.initializer.append(shape)
    strange.graph.node[0].CopyFrom(helper.make_node("Reshape", ["input", "shape"], ["flat"]))
    with pytest.raises(SessionError, match="m: failed on a batch of 3"):
        session_of(strange).run(np.zeros((3, *SHAPE), np.float32))


def test_session_on_a_provider_that_is_not_there_is_refused_with_the_remedy(model):
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("CUDA is here")
    with pytest.raises(SessionError, match=r"CUDAExecutionProvider does not load.*encas\[gpu\]"):
        session_of(model(0), device="cuda:0")


def test_session_that_silently_fell_back_to_the_cpu_is_refused(model, monkeypatch):
    class FellBack:
        def __init__(self, *_arguments, **_options):
            pass

        def get_providers(self):
            return [CPU]

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", FellBack)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    content = model(0).SerializeToString()
    with pytest.raises(SessionError, match="nothing can run on cuda:1"):
        open_session(content, device=Device(kind="cuda", index=1), n_threads=1)


def test_session_loads_the_libraries_of_a_gpu_before_the_session(model, monkeypatch):
    order = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: order.append("dlls"), raising=False)

    def refuse(*_arguments, **options):
        order.append(options["providers"][0][0])
        raise RuntimeError("no driver\nsecond line")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(SessionError, match="m: cannot be loaded: no driver$"):
        open_session(b"", device=Device(kind="cuda"), n_threads=1, name="m")
    assert order == ["dlls", CUDA]


def test_session_never_registers_a_library_of_operators(model, monkeypatch):
    class Watched(onnxruntime.SessionOptions):
        def register_custom_ops_library(self, _path):
            raise AssertionError("a library was registered")

    monkeypatch.setattr(ort_session.onnxruntime, "SessionOptions", Watched)
    session_of(model(0)).warm_up([1])


@pytest.mark.gpu
def test_session_on_a_gpu_agrees_with_the_cpu(model, samples):
    on_cpu = session_of(model(0)).run(samples)
    session = session_of(model(0), device="cuda:0", gpu_memory_bytes=2**30)
    session.warm_up([1, 64])
    assert session.info.setting.provider == CUDA
    assert np.allclose(session.run(samples), on_cpu, atol=1e-5)
