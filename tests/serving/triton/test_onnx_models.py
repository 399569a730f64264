import re

import numpy as np
import pytest
from fake_triton import SHAPE, config_of

from encas.runtime.loading import load
from encas.serving.protocol.model_config import (
    FP16,
    FP32,
    INT64,
    UINT8,
    ModelConfig,
    Reshape,
    TensorConfig,
)
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.onnx_models import instances, onnx_model, queue, warm_up
from encas.serving.triton.repository import write_repository

FILES = {"1/model.onnx": b"model"}


def plain_config(data_type=FP32):
    sample = TensorConfig(name="input", data_type=data_type, dims=(2, 3))
    number = TensorConfig(name="stage", data_type=INT64, dims=(1,), reshape=Reshape(shape=()))
    return ModelConfig(name="m", max_batch_size=4, input=(sample,), output=(number,))


def made(data_type=FP32, *, is_cascade=True, **values):
    options = LayoutOptions(**{"max_batch_size": 4, **values})
    return onnx_model(plain_config(data_type), options, FILES, is_cascade=is_cascade)


def test_every_bucket_is_warmed_up_and_nan_goes_through_all_members(bundle, tmp_path):
    options = LayoutOptions(target="cpu", max_batch_size=12)
    written = write_repository([bundle], tmp_path / "models", options)
    warmups = config_of(written.path / "three").model_warmup
    assert [warmup.batch_size for warmup in warmups] == [1, 12, 2, 4, 8]
    raw = (written.path / "three" / "warmup" / "nan").read_bytes()
    x = np.frombuffer(raw, np.float32).reshape(1, *SHAPE)
    assert load(bundle, backend="graph")(x).stage.tolist() == [3]


def test_tensorrt_has_a_profile_for_each_bucket_and_cuda_behind_it(bundle, tmp_path):
    options = LayoutOptions(layout="bls", tensorrt=True, max_batch_size=8)
    written = write_repository([bundle], tmp_path / "models", options)
    config = config_of(written.path / "m1")
    first, second = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (first.name, second.name) == ("tensorrt", "cuda")
    profiles = [first.parameters[f"trt_profile_{end}_shapes"] for end in ("min", "opt", "max")]
    sizes = [re.findall(r"input:(\d+)x1x4x4", profile) for profile in profiles]
    assert sizes == [["1", "2", "3", "5"], ["1", "2", "4", "8"], ["1", "2", "4", "8"]]
    assert second.parameters["use_tf32"] == "0"


def test_tensorrt_learns_the_sizes_of_a_graphs_parts_from_the_warm_ups(bundle, tmp_path):
    options = LayoutOptions(layout="graph", tensorrt=True, max_batch_size=8)
    written = write_repository([bundle], tmp_path / "models", options)
    config = config_of(written.path / "three")
    first, _ = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert sorted(first.parameters) == [
        "precision_mode", "trt_engine_cache_enable", "trt_engine_cache_path",
    ]  # fmt: skip
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 8, 2, 4]


@pytest.mark.parametrize(("data_type", "dtype"), [(FP32, np.float32), (FP16, np.float16)])
def test_cascade_of_floats_is_warmed_up_with_nan(data_type, dtype):
    config, files = made(data_type)
    assert files.keys() == {*FILES, "warmup/nan"}
    nan = np.frombuffer(files["warmup/nan"], dtype)
    assert (nan.shape, np.isnan(nan).all()) == ((6,), True)
    content = {warmup.inputs["input"].input_data_file for warmup in config.model_warmup}
    assert content == {"nan"}


@pytest.mark.parametrize(("data_type", "is_cascade"), [(UINT8, True), (FP32, False)])
def test_model_without_exits_or_nan_is_warmed_up_with_zeros(data_type, is_cascade):
    config, files = made(data_type, is_cascade=is_cascade)
    assert files == FILES
    for warmup in config.model_warmup:
        content = warmup.inputs["input"]
        assert (content.zero_data, content.input_data_file) == (True, None)
    assert [warmup.batch_size for warmup in config.model_warmup] == [1, 4, 2]


def test_warm_up_of_a_batch_of_one_alone_comes_once():
    config, _ = made(max_batch_size=1)
    assert [warmup.name for warmup in config.model_warmup] == ["rows_1"]
    assert warm_up(plain_config().input, 7, {}).batch_size == 7


def test_numbers_are_reshaped_by_the_onnx_backend_and_not_by_python():
    onnx_config, onnx_files = made(backend="onnxruntime")
    python_config, python_files = made(backend="python")
    assert onnx_config.output[0].reshape == Reshape(shape=())
    assert python_config.output[0].reshape is None
    assert (onnx_config.backend, python_config.backend) == ("onnxruntime", "python")
    assert "1/model.py" in python_files
    assert "1/model.py" not in onnx_files
    assert python_config.optimization is None


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ({"target": "cpu", "threads": 2}, {"intra_op_thread_count": "2"}),
        ({"target": "cpu"}, {}),
        ({"target": "gpu", "threads": 2}, {}),
    ],
)
def test_threads_are_those_of_a_cpu(values, texts):
    config, _ = made(**values)
    assert {key: value.string_value for key, value in config.parameters.items()} == texts


def test_gpu_without_tensorrt_has_cuda_alone():
    config, _ = made(target="gpu")
    (cuda,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert (cuda.name, cuda.parameters["use_tf32"]) == ("cuda", "0")
    assert made(target="cpu")[0].optimization is None


def test_copies_and_queue_are_as_the_options_say():
    options = LayoutOptions(target="gpu", instances=3, max_delay_ms=1.5, max_queue=7)
    assert (instances(options).kind, instances(options).count) == ("KIND_GPU", 3)
    assert instances(LayoutOptions(target="cpu")).kind == "KIND_CPU"
    batching = queue(options)
    assert batching.max_queue_delay_microseconds == 1500
    assert batching.default_queue_policy.max_queue_size == 7
    assert batching.default_queue_policy.timeout_action == "REJECT"
