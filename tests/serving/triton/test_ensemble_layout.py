import json
import shutil
from dataclasses import replace

import pytest
from fake_triton import HOW, config_of
from view_bundle import steps_of

from encas.errors import ServingError
from encas.manifest import Manifest
from encas.serving.protocol.model_config_text import message_of
from encas.serving.triton.ensemble_layout import ensemble_folders
from encas.serving.triton.layout_options import LayoutOptions
from encas.serving.triton.layouts import CascadeSource
from encas.serving.triton.repository import write_repository


def folders_of(bundle, **values):
    options = LayoutOptions(layout="ensemble", target="cpu", **values)
    return ensemble_folders(CascadeSource.read(bundle, options))


def test_ensemble_joins_images_cascade_and_names(pictured, tmp_path):
    options = LayoutOptions(layout="ensemble", around="bls", target="cpu", image_input="pixels")
    written = write_repository([pictured], tmp_path / "models", options)
    config = config_of(written.path / "three_ensemble")
    steps = {step.model_name: step for step in config.ensemble_scheduling.step}
    assert set(steps) == {"three_preprocess", "three", "three_postprocess"}
    assert dict(steps["three"].input_map) == {"input": "sample"}
    assert list(config.input[0].dims) == [-1, -1, 3]
    assert config.platform == "ensemble"


@pytest.mark.parametrize(
    ("image_input", "data_type", "dims"),
    [("files", "TYPE_STRING", (1,)), ("pixels", "TYPE_UINT8", (-1, -1, 3))],
)
def test_ensemble_takes_files_or_pixels(pictured, image_input, data_type, dims):
    before, after, whole = folders_of(pictured, image_input=image_input, max_batch_size=5)
    for folder in (before, whole):
        (image,) = folder.config.input
        assert (image.name, image.data_type, image.dims) == ("image", data_type, dims)
        message_of(folder.config)
    assert {f.config.max_batch_size for f in (before, after, whole)} == {5}
    assert [f.config.name for f in (before, after, whole)] == [
        "three_preprocess",
        "three_postprocess",
        "three_ensemble",
    ]


def test_ensemble_joins_every_tensor_to_one_of_its_own(pictured):
    before, after, whole = (folder.config for folder in folders_of(pictured))
    first, second, third = whole.ensemble_scheduling.step
    assert first.output_map == {"input": "sample"}
    assert second.output_map == {name: name for name in second.output_map}
    assert [tensor.name for tensor in whole.output] == [*second.output_map, "class"]
    assert (third.input_map, third.output_map) == ({"label": "label"}, {"class": "class"})
    assert (before.output[0].name, before.output[0].dims) == ("input", (1, 4, 4))
    assert (after.input[0].name, after.output[0].data_type) == ("label", "TYPE_STRING")


def test_ensemble_brings_the_preprocessing_and_the_names(pictured, tmp_path):
    before, after, whole = folders_of(pictured)
    assert json.loads(before.files["1/input.preprocessing.json"]) == HOW
    assert json.loads(after.files["1/classes.json"]) == ["ant", "bee", "cat", "dog", "eel"]
    assert whole.files["classes.txt"] == "ant\nbee\ncat\ndog\neel\n"
    # Triton wants the folder of a version, though there is nothing in it.
    assert whole.files["1/.keep"] == ""


def test_ensemble_of_a_bundle_without_names_has_numbers(pictured):
    file = pictured / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"classes": None}))
    _, after, whole = folders_of(pictured)
    assert json.loads(after.files["1/classes.json"]) == ["0", "1", "2", "3", "4"]
    assert "classes.txt" not in whole.files


def test_ensemble_of_a_bundle_that_knows_no_images_is_refused(bundle):
    with pytest.raises(ServingError, match="does not know how images become samples"):
        folders_of(bundle)


def test_images_are_made_on_a_cpu_in_as_many_copies_as_were_asked_for(pictured):
    options = LayoutOptions(layout="ensemble", target="gpu", instances=3)
    before, after, _ = ensemble_folders(CascadeSource.read(pictured, options))
    for folder in (before, after):
        (group,) = folder.config.instance_group
        assert (group.kind, group.count) == ("KIND_CPU", 3)


def test_ensemble_joins_every_input_to_a_tensor_of_its_own(view_bundles):
    before, _, whole = folders_of(view_bundles / "both")
    first, second, _ = whole.config.ensemble_scheduling.step
    assert first.output_map == {"input": "sample", "input_2": "sample_2"}
    assert second.input_map == first.output_map
    found = {tensor.name: tensor.dims for tensor in before.config.output}
    assert found == {"input": (1, 4, 4), "input_2": (1, 6, 6)}
    for name, size in (("input", 4), ("input_2", 6)):
        how = json.loads(before.files[f"1/{name}.preprocessing.json"])
        assert how == steps_of(size)
    message_of(whole.config)


def test_ensemble_that_cannot_make_one_of_the_inputs_is_refused(view_bundles, tmp_path):
    shutil.copytree(view_bundles / "both", tmp_path / "both")
    manifest = Manifest.load(tmp_path / "both")
    further = tuple(replace(entry, preprocessing=None) for entry in manifest.further_inputs)
    replace(manifest, further_inputs=further).save(tmp_path / "both")
    with pytest.raises(ServingError, match="how images become samples of 'input_2'"):
        folders_of(tmp_path / "both")
