import shutil
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from fake_triton import config_of

from encas.errors import CascadeError, ManifestError, ServingError
from encas.manifest import Manifest
from encas.runtime.loading import load
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.layouts import CascadeSource, model_folders
from encas.serving.triton.repository import write_repository

SHAPE = (1, 4, 4)


def parameters(config):
    return {key: value.string_value for key, value in config.parameters.items()}


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


def test_python_layout_holds_a_bundle_that_loads(bundle, tmp_path):
    options = LayoutOptions(layout="python", target="cpu", threads=1)
    written = write_repository([bundle], tmp_path / "models", options)
    inner = written.path / "three" / "1" / "bundle"
    x = np.random.default_rng(0).normal(0, 1, (9, *SHAPE)).astype(np.float32)
    np.testing.assert_array_equal(load(inner)(x).stage, load(bundle)(x).stage)
    assert parameters(config_of(written.path / "three"))["threads"] == "1"


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


def source_of(bundle, **values):
    return CascadeSource.read(bundle, LayoutOptions(**{"target": "cpu", **values}))


def test_source_has_the_bundles_thresholds_unless_told(bundle):
    assert source_of(bundle).cascade.thresholds == (0.85, 0.7)
    assert source_of(bundle, thresholds=(0.0, 1.0)).cascade.thresholds == (0.0, 1.0)
    assert source_of(bundle, thresholds=(0.85, 0.7)).cascade == source_of(bundle).manifest.cascade


def test_source_has_a_name_that_is_fit_for_a_folder(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "it")
    replace(Manifest.load(bundle), name="a b/c").save(tmp_path / "it")
    assert source_of(tmp_path / "it").name == "a_b_c"


def test_class_names_stand_one_in_a_line(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "it")
    manifest = Manifest.load(bundle)
    names = ("ant", "b\ne e", " c", "d", "e")
    replace(manifest, classes=names).save(tmp_path / "it")
    assert source_of(tmp_path / "it").label_files == {"classes.txt": "ant\nb e e\nc\nd\ne\n"}
    replace(manifest, classes=None).save(tmp_path / "it")
    assert source_of(tmp_path / "it").label_files == {}


@pytest.mark.parametrize(
    ("layout", "names"),
    [("graph", ["three"]), ("bls", ["m0", "m1", "m2", "three"]), ("python", ["three"])],
)
def test_layouts_consist_of_their_models(bundle, layout, names):
    folders = model_folders(source_of(bundle, layout=layout))
    assert [folder.config.name for folder in folders] == names
    around = model_folders(source_of(bundle, layout="ensemble", around=layout))
    assert [folder.config.name for folder in around] == names


def test_members_of_bls_give_probabilities_alone_and_batch_nothing_again(bundle):
    *members, cascade = model_folders(source_of(bundle, layout="bls", max_delay_ms=2.0))
    for folder in members:
        assert [tensor.name for tensor in folder.config.output] == ["probabilities"]
        assert folder.config.dynamic_batching.max_queue_delay_microseconds is None
    assert cascade.config.dynamic_batching.max_queue_delay_microseconds == 2000
    assert "buckets" not in cascade.config.parameters


def test_calls_are_padded_on_a_gpu_alone(bundle):
    for layout in ("bls", "python"):
        on_gpu = source_of(bundle, layout=layout, target="gpu", max_batch_size=4)
        config = model_folders(on_gpu)[-1].config
        assert config.parameters["buckets"].string_value == "1,2,4"
        config = model_folders(source_of(bundle, layout=layout))[-1].config
        assert "buckets" not in config.parameters


def test_member_that_gives_other_tensors_is_refused(bundle, tmp_path):
    shutil.copytree(bundle, tmp_path / "three")
    manifest = Manifest.load(bundle)
    members = (*manifest.members[:2], replace(manifest.members[2], output="y"))
    replace(manifest, members=members).save(tmp_path / "three")
    with pytest.raises(ServingError, match="m2 has tensors 'input' and 'y'; only the layout"):
        model_folders(source_of(tmp_path / "three", layout="bls"))


BOTH = {"input": [1, 4, 4], "input_2": [1, 6, 6]}


def inputs_of(folder):
    return {tensor.name: list(tensor.dims) for tensor in config_of(folder).input}


@pytest.mark.parametrize("layout", ["graph", "bls", "python", "ensemble"])
@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_every_layout_lists_every_input_of_a_cascade(view_bundles, tmp_path, layout, target):
    options = LayoutOptions(layout=layout, target=target)
    written = write_repository([view_bundles / "both"], tmp_path / "models", options)
    assert inputs_of(written.path / "both") == BOTH


def test_members_of_bls_have_the_input_that_they_read(view_bundles, tmp_path):
    options = LayoutOptions(layout="bls", target="cpu")
    bundles = [view_bundles / name for name in ("both", "small")]
    written = write_repository(bundles, tmp_path / "models", options)
    assert inputs_of(written.path / "6a") == {"input": [1, 6, 6]}
    assert inputs_of(written.path / "4a") == inputs_of(written.path / "4b") == {"input": [1, 4, 4]}
    found = parameters(config_of(written.path / "both"))
    assert (found["members"], found["reads"]) == ("4a,6a,4b", "input,input_2,input")
    assert "reads" not in parameters(config_of(written.path / "small"))


def test_graph_of_several_inputs_has_those_of_its_configuration(view_bundles, tmp_path):
    options = LayoutOptions(target="cpu", max_batch_size=4)
    written = write_repository([view_bundles / "both"], tmp_path / "models", options)
    session = onnxruntime.InferenceSession(str(written.path / "both/1/model.onnx"))
    # ONNX Runtime tells only of inputs that have no value of their own.
    assert {tensor.name: tensor.shape[1:] for tensor in session.get_inputs()} == BOTH
    for warmup in config_of(written.path / "both").model_warmup:
        files = {name: content.input_data_file for name, content in warmup.inputs.items()}
        assert files == {"input": "nan", "input_2": "nan_input_2"}
        assert {name: list(c.dims) for name, c in warmup.inputs.items()} == BOTH
    nans = {
        name: np.frombuffer((written.path / "both/warmup" / file).read_bytes(), np.float32)
        for name, file in files.items()
    }
    samples = {name: nan.reshape(1, *BOTH[name]) for name, nan in nans.items()}
    assert session.run(["stage"], samples)[0].tolist() == [3]
