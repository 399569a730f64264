"""Which class each output of a model is, before a build."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from linear_loop import SHAPE, save_linear

from encas.data.data_source import source_of_samples
from encas.fronts.front import Front
from encas.imagenet_names import imagenet_synsets
from encas.jobs.export_front import export_bundle
from encas.pools.building.build_classes import build_classes
from encas.pools.building.build_options import BuildOptions
from encas.pools.building.build_run import run_build
from encas.pools.models.model_requests import ModelRequest
from encas.pools.pool import Pool
from encas.search.finder import search_pool
from encas.search.options import SearchOptions

SYNSETS = imagenet_synsets()
TRUTH = np.random.default_rng(3).normal(0, 2, (6, 4)).astype(np.float32)
NAMES = ("ant", "bee", "cat", "dog")


def model(folder, name, weights, names=None) -> ModelRequest:
    path = folder / f"{name}.onnx"
    save_linear(path, weights)
    if names is not None:
        stored = onnx.load(path)
        onnx.helper.set_model_props(stored, {"classes": json.dumps(names)})
        onnx.save(stored, path)
    return ModelRequest(name=name, spec=f"onnx:{path}")


@pytest.fixture
def data(rng):
    """40 samples with labels in the order of NAMES, which TRUTH always gets right."""
    x = rng.normal(0, 1, (40, *SHAPE)).astype(np.float32)
    label = (x.reshape(-1, 6) @ TRUTH).argmax(axis=1)
    return source_of_samples(x, label, name="here", classes=NAMES)


def test_models_without_names_are_believed_and_it_is_said(data, tmp_path):
    classes = build_classes([model(tmp_path, "a", TRUTH)], data, BuildOptions())
    assert classes.data is data
    assert classes.notes == (
        "1 model states no class names: the outputs are taken in the order of the data here",
    )


def test_class_map_says_it_all(data, tmp_path):
    options = BuildOptions(columns=(3, 2, 1, 0))
    classes = build_classes([model(tmp_path, "a", TRUTH, NAMES)], data, options)
    assert (classes.data, classes.notes, classes.columns) == (data, (), {})


def test_labels_are_mapped_where_all_models_name_another_order(data, tmp_path):
    order = (2, 0, 3, 1)
    names = [NAMES[i] for i in order]
    requests = [model(tmp_path, name, TRUTH[:, order], names) for name in "ab"]
    classes = build_classes(requests, data, BuildOptions())
    assert classes.data.classes == tuple(names)
    assert [names[i] for i in classes.data.label] == [NAMES[i] for i in data.label]
    assert classes.columns == {}
    assert classes.notes == (
        "the data here: the classes are in another order than in the model a, matched by name",
    )


def test_labels_are_mapped_into_the_larger_set_that_models_name(data, tmp_path):
    part = data.take(np.flatnonzero(data.label < 2))
    few = source_of_samples(part.read(np.arange(part.n_samples), None), part.label, name="few",
                            classes=("ant", "bee"))  # fmt: skip
    order = (2, 1, 3, 0)
    request = model(tmp_path, "a", TRUTH[:, order], [NAMES[i] for i in order])
    classes = build_classes([request], few, BuildOptions())
    assert classes.data.n_classes == 4
    assert np.array_equal(classes.data.label, np.array([3, 1])[few.label])
    assert classes.notes == ("the data few: 2 of the 4 classes of the model a, matched by name",)


def test_outputs_are_arranged_where_models_disagree(data, tmp_path):
    order = (2, 0, 3, 1)
    requests = [
        model(tmp_path, "plain", TRUTH, NAMES),
        model(tmp_path, "moved", TRUTH[:, order], [NAMES[i] for i in order]),
        model(tmp_path, "foreign", TRUTH, ("ant", "bee", "cat", "eel")),
    ]
    classes = build_classes(requests, data, BuildOptions())
    assert classes.columns == {"moved": (1, 3, 0, 2)}
    (refusal,) = classes.refusals
    assert refusal.name == "foreign"
    assert "only the former has 1 ('dog'), only the latter 1 ('eel')" in refusal.reason


def test_named_models_are_arranged_as_the_data_where_others_have_no_names(data, tmp_path):
    order = (2, 0, 3, 1)
    requests = [
        model(tmp_path, "moved", TRUTH[:, order], [NAMES[i] for i in order]),
        model(tmp_path, "silent", TRUTH),
    ]
    classes = build_classes(requests, data, BuildOptions())
    assert classes.data is data
    assert classes.columns == {"moved": (1, 3, 0, 2)}
    assert classes.notes[-1].startswith("1 model states no class names")


def test_part_of_imagenet_is_mapped_to_the_thousand_outputs_that_a_model_has(tmp_path, rng):
    x = rng.normal(0, 1, (4, *SHAPE)).astype(np.float32)
    names = (SYNSETS[999], SYNSETS[3])
    data = source_of_samples(x, np.array([0, 1, 1, 0]), name="part", classes=names)
    large = model(tmp_path, "large", rng.normal(0, 1, (6, 1000)).astype(np.float32))
    classes = build_classes([large], data, BuildOptions())
    assert classes.data.label.tolist() == [999, 3, 3, 999]
    assert classes.data.classes == SYNSETS
    assert classes.notes == (
        "no model states class names: their 1,000 outputs are taken for ImageNet's classes, of "
        "which the data part has 2",
    )
    small = model(tmp_path, "small", rng.normal(0, 1, (6, 2)).astype(np.float32))
    assert build_classes([small], data, BuildOptions()).data is data


def test_imagenets_numbers_in_the_order_of_folders_are_mapped(tmp_path):
    names = tuple(sorted(str(i) for i in range(1000)))
    data = source_of_samples(np.zeros((2, 6)), np.array([1, 2]), name="v2", classes=names)
    request = model(tmp_path, "a", np.zeros((6, 4), np.float32))
    classes = build_classes([request], data, BuildOptions())
    assert classes.data.label.tolist() == [1, 10]


def test_data_without_names_stay(tmp_path):
    data = source_of_samples(np.zeros((2, 6)), np.array([1, 2]), name="plain")
    request = model(tmp_path, "a", np.zeros((6, 4), np.float32))
    classes = build_classes([request], data, BuildOptions())
    assert (classes.data, classes.notes) == (data, ())


def test_request_that_knows_its_classes_is_matched_by_them(data, tmp_path):
    names = tuple(NAMES[i] for i in (2, 0, 3, 1))
    request = replace(model(tmp_path, "a", TRUTH[:, (2, 0, 3, 1)]), classes=names)
    assert build_classes([request], data, BuildOptions()).data.classes == names


def test_pool_of_arranged_models_is_right_and_its_cascade_is_proven(data, tmp_path, rng):
    order = (2, 0, 3, 1)
    noise = rng.normal(0, 1, TRUTH.shape).astype(np.float32)
    requests = [
        model(tmp_path, "plain", TRUTH + noise, NAMES),
        model(tmp_path, "moved", TRUTH[:, order], [NAMES[i] for i in order]),
    ]
    x = data.read(np.arange(40), None)
    np.savez(tmp_path / "data.npz", x=x, label=data.label)
    named = source_of_samples(x, data.label, name=f"npz:{tmp_path / 'data.npz'}", classes=NAMES)
    report = run_build(requests, named, tmp_path / "pool")
    assert report.notes[-1].startswith("moved: outputs are arranged, the pool: the classes are")
    pool = Pool.load(tmp_path / "pool")
    assert (pool.probabilities(1).argmax(axis=1) == pool.label).all()
    assert pool.models[1].source.partition("?")[2].startswith("columns=columns-")
    front: Front = search_pool(pool, SearchOptions(algorithm="single")).front
    manifest = export_bundle(
        front, pool, index=len(front) - 1, data=named.name, out=tmp_path / "bundle"
    )
    assert manifest.cascade.members == ("moved",)
    assert manifest.classes == NAMES
    assert [proof.flips for proof in manifest.proof] == [(), ()]
