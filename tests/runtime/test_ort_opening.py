import onnxruntime
import pytest
from onnx import helper

from encas.errors import SessionError
from encas.runtime import ort_opening as ort_session
from encas.runtime.device import Device
from encas.runtime.engines import EnginePlan
from encas.runtime.ort_opening import (
    CPU,
    CUDA,
    TENSORRT,
    open_session,
    provider_options,
    session_options,
)

HERE = Device(kind="cpu")


def opened(model, device: Device = HERE):
    content = model if isinstance(model, bytes) else model.SerializeToString()
    return open_session(content, device=device, n_threads=1, name="m")


def test_session_options_are_explicit_threads_that_sleep():
    options = session_options(3)
    assert options.intra_op_num_threads == 3
    assert options.inter_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_session_options_share_one_arena():
    assert session_options(1).get_session_config_entry("session.use_env_allocators") == "1"


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


def test_provider_options_with_cuda_graphs_say_so():
    (_, cuda), _ = provider_options(Device(kind="cuda"), cuda_graphs=True)
    assert cuda["enable_cuda_graph"] == "1"
    (_, tensorrt), (_, cuda), _ = provider_options(Device(kind="tensorrt"), cuda_graphs=True)
    assert tensorrt["trt_cuda_graph_enable"] == "1"
    assert "enable_cuda_graph" not in cuda


def test_provider_options_of_tensorrt_have_a_profile_for_each_bucket():
    plan = EnginePlan(input_name="x", input_shape=(3, 4, 5), buckets=(1, 2, 8), key="k")
    (_, tensorrt), *_ = provider_options(Device(kind="tensorrt"), engines=plan)
    assert tensorrt["trt_profile_opt_shapes"] == "x:1x3x4x5,x:2x3x4x5,x:8x3x4x5"


@pytest.mark.parametrize("content", [b"", b"not an ONNX file"])
def test_session_of_a_foreign_file_is_refused(content):
    with pytest.raises(SessionError, match="m: cannot be loaded"):
        opened(content)


def test_session_of_an_operator_from_a_library_is_refused(model):
    foreign = model(0)
    foreign.graph.node[0].domain = "evil.corp"
    foreign.opset_import.append(helper.make_opsetid("evil.corp", 1))
    with pytest.raises(SessionError, match="cannot be loaded"):
        opened(foreign)


def test_session_on_a_provider_that_is_not_there_is_refused_with_the_remedy(model):
    if CUDA in onnxruntime.get_available_providers():
        pytest.skip("CUDA is here")
    with pytest.raises(SessionError, match=r"CUDAExecutionProvider does not load.*encas\[gpu\]"):
        opened(model(0), Device(kind="cuda"))


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
    with pytest.raises(SessionError, match="m: cannot be loaded: no driver second line$"):
        open_session(b"", device=Device(kind="cuda"), n_threads=1, name="m")
    assert order == ["dlls", CUDA]


def test_session_never_registers_a_library_of_operators(model, monkeypatch):
    class Watched(onnxruntime.SessionOptions):
        def register_custom_ops_library(self, _path):
            raise AssertionError("a library was registered")

    monkeypatch.setattr(ort_session.onnxruntime, "SessionOptions", Watched)
    opened(model(0))


def test_session_that_cannot_be_captured_says_what_to_do(model, monkeypatch):
    def refuse(*_arguments, **_options):
        raise RuntimeError("This session cannot use the graph capture feature as requested")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None, raising=False)
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(SessionError, match="m: cannot be captured .* run it without --cuda-graphs"):
        open_session(b"", device=Device(kind="cuda"), n_threads=1, cuda_graphs=True, name="m")
