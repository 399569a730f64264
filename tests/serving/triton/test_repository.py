"""The repositories on paper: every configuration is read back through Triton's own message."""

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fake_triton import config_of

from encas.errors import ServingError
from encas.manifest import Manifest
from encas.serving.protocol.model_config import ModelConfig, StringValue
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.layouts import ModelFolder
from encas.serving.triton.repository import check_folders, merged, write_repository

GOLDEN = Path(__file__).with_name("golden")
SHAPE = (1, 4, 4)


def parameters(config):
    return {key: value.string_value for key, value in config.parameters.items()}


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


def test_two_cascades_share_their_members(bundles, tmp_path):
    options = LayoutOptions(layout="bls", target="cpu")
    written = write_repository([bundles / "three", bundles / "two"], tmp_path / "models", options)
    assert [config.name for config in written.models] == ["m0", "m1", "m2", "three", "two"]
    assert written.cascades == ("three", "two")


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
