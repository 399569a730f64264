"""The repositories on paper: every configuration is read back through Triton's own message."""

import itertools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from encas.errors import CascadeError, ManifestError, ServingError
from encas.manifest import Manifest
from encas.runtime.loading import load
from encas.serving.protocol.model_config import ModelConfig, StringValue
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.layouts import ModelFolder
from encas.serving.triton.repository import check_folders, merged, write_repository

GOLDEN = Path(__file__).with_name("golden")
SHAPE = (1, 4, 4)


def config_of(folder):
    return text_format.Parse((folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())


def parameters(config):
    return {key: value.string_value for key, value in config.parameters.items()}


@pytest.fixture
def pictured(bundle, tmp_path):
    folder = tmp_path / "three"
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    how = {"size": [4, 4], "resize": 4, "mean": [0.5], "std": [0.25]}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"preprocessing": how}))
    return folder


@pytest.mark.parametrize(
    ("layout", "around", "target", "backend"),
    [
        choice
        for choice in itertools.product(
            ("graph", "bls", "python", "ensemble"),
            ("graph", "bls", "python"),
            ("cpu", "gpu"),
            ("onnxruntime", "python"),
        )
        if choice[0] == "ensemble" or choice[1] == "graph"
    ],
)
def test_every_layout_is_read_back_and_fits_together(
    pictured, tmp_path, layout, around, target, backend
):
    options = LayoutOptions(
        layout=layout, around=around, target=target, backend=backend, max_batch_size=24
    )
    written = write_repository([pictured], tmp_path / "models", options)
    configs = {config.name: config_of(written.path / config.name) for config in written.models}
    assert {path.name for path in written.path.iterdir()} == set(configs)
    for name, config in configs.items():
        assert config.max_batch_size == 24
        assert config.name == name
        assert config.version_policy.latest.num_versions == 1
        assert (written.path / name / "1").is_dir()
        kinds = {group.kind for group in config.instance_group}
        is_session = config.backend == "onnxruntime" or name in ("m0", "m1", "m2")
        if is_session or (config.backend == "python" and "members" not in config.parameters):
            wanted = "KIND_GPU" if target == "gpu" else "KIND_CPU"
            helpers = name.endswith("process")
            assert kinds == {config.instance_group[0].Kind.Value("KIND_CPU" if helpers else wanted)}
        accelerators = config.optimization.execution_accelerators.gpu_execution_accelerator
        assert bool(accelerators) == (target == "gpu" and config.backend == "onnxruntime")
    (cascade,) = written.cascades
    outputs = [output.name for output in configs[cascade].output]
    extra = ["class"] if layout == "ensemble" else []
    assert outputs == ["probabilities", "label", "stage", "confidence", *extra]


def test_graph_is_the_bundles_file_with_reshaped_numbers(bundle, tmp_path):
    written = write_repository([bundle], tmp_path / "models", LayoutOptions(target="cpu"))
    folder, config = written.path / "three", config_of(written.path / "three")
    assert (folder / "1/model.onnx").read_bytes() == (bundle / "cascade.onnx").read_bytes()
    session = onnxruntime.InferenceSession(str(folder / "1/model.onnx"))
    shapes = {output.name: output.shape for output in session.get_outputs()}
    for output in config.output:
        dims = list(output.reshape.shape) if output.HasField("reshape") else list(output.dims)
        assert shapes[output.name] == ["batch", *dims]
    assert (config.backend, config.default_model_filename) == ("onnxruntime", "model.onnx")
    assert (folder / "classes.txt").read_text() == "ant\nbee\ncat\ndog\neel\n"


def test_every_bucket_is_warmed_up_and_nan_goes_through_all_members(bundle, tmp_path):
    options = LayoutOptions(target="cpu", max_batch_size=12)
    written = write_repository([bundle], tmp_path / "models", options)
    warmups = config_of(written.path / "three").model_warmup
    assert [warmup.batch_size for warmup in warmups] == [1, 12, 2, 4, 8]
    raw = (written.path / "three" / "warmup" / "nan").read_bytes()
    x = np.frombuffer(raw, np.float32).reshape(1, *SHAPE)
    assert load(bundle, backend="graph")(x).stage.tolist() == [3]


def test_graph_with_other_thresholds_decides_by_them(bundle, tmp_path):
    x = np.random.default_rng(0).normal(0, 1, (50, *SHAPE)).astype(np.float32)
    for thresholds, stage in (((0.0, 0.5), 1), ((1.0, 0.0), 2), ((1.0, 1.0), 3)):
        options = LayoutOptions(target="cpu", thresholds=thresholds)
        written = write_repository([bundle], tmp_path / f"models{stage}", options)
        session = onnxruntime.InferenceSession(str(written.path / "three/1/model.onnx"))
        assert set(session.run(["stage"], {"input": x})[0]) == {stage}


def test_bls_names_members_thresholds_and_rule(bundle, tmp_path):
    options = LayoutOptions(layout="bls", target="gpu", max_batch_size=8, thresholds=(0.125, 1 / 3))
    written = write_repository([bundle], tmp_path / "models", options)
    assert parameters(config_of(written.path / "three")) == {
        "members": "m0,m1,m2",
        "thresholds": f"0.125,{1 / 3!r}",
        "confidence": "max_probability",
        "combine": "mean",
        "buckets": "1,2,4,8",
    }


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


def test_two_cascades_share_their_members(bundles, tmp_path):
    options = LayoutOptions(layout="bls", target="cpu")
    written = write_repository([bundles / "three", bundles / "two"], tmp_path / "models", options)
    assert [config.name for config in written.models] == ["m0", "m1", "m2", "three", "two"]
    assert written.cascades == ("three", "two")


def test_python_layout_holds_a_bundle_that_loads(bundle, tmp_path):
    options = LayoutOptions(layout="python", target="cpu", threads=1)
    written = write_repository([bundle], tmp_path / "models", options)
    inner = written.path / "three" / "1" / "bundle"
    x = np.random.default_rng(0).normal(0, 1, (9, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(load(inner)(x).stage, load(bundle)(x).stage)
    assert parameters(config_of(written.path / "three"))["threads"] == "1"


def test_ensemble_joins_images_cascade_and_names(pictured, tmp_path):
    options = LayoutOptions(layout="ensemble", around="bls", target="cpu", image_input="pixels")
    written = write_repository([pictured], tmp_path / "models", options)
    config = config_of(written.path / "three_ensemble")
    steps = {step.model_name: step for step in config.ensemble_scheduling.step}
    assert set(steps) == {"three_preprocess", "three", "three_postprocess"}
    assert dict(steps["three"].input_map) == {"input": "sample"}
    assert list(config.input[0].dims) == [-1, -1, 3]
    assert config.platform == "ensemble"


def test_members_of_one_name_that_differ_are_refused(bundles, tmp_path):
    other = tmp_path / "two"
    shutil.copytree(bundles / "two", other)
    shutil.copyfile(bundles / "three/members/m1.onnx", other / "members/m2.onnx")
    manifest = Manifest.load(bundles / "three")
    entry = replace(manifest.members[1], name="m2", file="members/m2.onnx")
    old = Manifest.load(other)
    replace(old, members=(old.members[0], entry)).save(other)
    options = LayoutOptions(layout="bls", target="cpu")
    with pytest.raises(ServingError, match="two different models are called 'm2'"):
        write_repository([bundles / "three", other], tmp_path / "models", options)
    assert not (tmp_path / "models").exists()


def test_changed_member_is_refused(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    file = tmp_path / "three/members/m1.onnx"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    for layout in ("bls", "python"):
        with pytest.raises(ManifestError, match="expected SHA-256"):
            write_repository(
                [tmp_path / "three"], tmp_path / "models", LayoutOptions(layout=layout)
            )


def test_bundle_without_a_graph_names_the_other_layouts(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    replace(Manifest.load(bundle), graph=None).save(tmp_path / "three")
    with pytest.raises(ServingError, match="no cascade.onnx; use the layout bls or python"):
        write_repository([tmp_path / "three"], tmp_path / "models", LayoutOptions())


def test_member_with_other_tensors_is_refused(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    manifest = Manifest.load(bundle)
    members = (replace(manifest.members[0], input="x"), *manifest.members[1:])
    replace(manifest, members=members).save(tmp_path / "three")
    with pytest.raises(ServingError, match="m0 has tensors 'x' and 'probabilities'"):
        write_repository([tmp_path / "three"], tmp_path / "models", LayoutOptions(layout="bls"))


def test_wrong_number_of_thresholds_is_refused(bundle, tmp_path):
    with pytest.raises(CascadeError, match="3 members need 2 thresholds, got 3"):
        write_repository([bundle], tmp_path / "models", LayoutOptions(thresholds=(0.1, 0.2, 0.3)))


def test_member_with_smaller_batches_than_its_cascade_is_refused():
    member = ModelConfig(name="m", max_batch_size=4, input=(), output=())
    cascade = ModelConfig(name="c", max_batch_size=8, input=(), output=(),
                          parameters={"members": StringValue(string_value="m,gone")})  # fmt: skip
    with pytest.raises(ServingError) as refused:
        check_folders([ModelFolder(config=c, files={}) for c in (member, cascade)])
    assert set(refused.value.faults) == {
        "c calls gone, which is not there",
        "c takes batches of 8, but m, which it calls, of 4",
    }


def test_merged_keeps_equal_folders_once():
    folder = ModelFolder(
        config=ModelConfig(name="m", max_batch_size=4, input=(), output=()), files={"a": "x"}
    )
    assert merged([folder, replace(folder, files={"a": b"x"})]) == (folder,)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"layout": "nonsense"}, "the layouts are graph, bls, ensemble, python"),
        ({"around": "ensemble"}, "not around an ensemble"),
        ({"max_batch_size": 0}, "must not be negative, and batches not empty"),
        ({"tensorrt": True, "backend": "python"}, "TensorRT needs the target 'gpu'"),
    ],
)
def test_choices_that_contradict_are_refused(values, fault):
    with pytest.raises(ServingError, match=fault):
        LayoutOptions(**values)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("graph_gpu", LayoutOptions(layout="graph", target="gpu", tensorrt=True, max_batch_size=2)),
        ("bls_cpu", LayoutOptions(layout="bls", target="cpu", max_batch_size=2, threads=1)),
    ],
)
def test_configuration_is_written_as_always(bundle, tmp_path, name, options):
    written = write_repository([bundle], tmp_path / "models", options)
    text = (written.path / "three" / "config.pbtxt").read_text()
    assert text == (GOLDEN / f"{name}.pbtxt").read_text()
