"""`encas pool build` as a user types it."""

import json

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from encas.data.splits import stratified_rows  # noqa: E402
from encas.pools.pool import Pool  # noqa: E402

pytestmark = pytest.mark.torch
NETS = """
from torch import nn


def make(width=4, classes=2):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(width, classes))
"""
EXAMPLE = "examples/cifar10"


@pytest.fixture
def place(tmp_path, monkeypatch, rng):
    for label in ("a", "b"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / label / f"{index}.png")
    (tmp_path / "some_nets.py").write_text(NETS)
    (tmp_path / "p.json").write_text('{"size": [8, 8]}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


BUILD = ("pool", "build", "--data", "data", "--preprocessing", "p.json", "--workers", 1)


def test_build_tells_models_and_failures_and_goes_on(encas, place):
    words = (
        "--model",
        "good=torch:some_nets:make",
        "--model",
        "bad=torch:some_nets:make?classes=3",
    )
    ran = encas(*BUILD, *words, "--out", "pool", "--json")
    assert ran.code == 0
    assert [model["name"] for model in ran.json["models"]] == ["good"]
    assert ran.json["build"]["n_built"] == 1
    assert [failed["name"] for failed in ran.json["build"]["failed"]] == ["bad"]
    assert "1 models failed:\n  bad: gives 3 classes, the data have 2" in ran.err
    again = encas(*BUILD, *words, "--out", "pool", "--json")
    assert again.json["build"]["n_built"] == 0
    assert "1 of 2 models are there already" in again.err


def test_build_of_failures_alone_ends_with_one_line(encas, place):
    ran = encas(*BUILD, "--model", "torch:some_nets:make?classes=3", "--out", "pool")
    assert ran.code == 1
    assert "Error: pool: 2 faults: none of 1 models could be run; make,classes=3: gives" in ran.err
    assert "Traceback" not in ran.err


def test_build_for_people_shows_a_table(encas, place):
    ran = encas(
        *BUILD, "--model", "torch:some_nets:make?width=3", "--out", "pool", "--name", "mine"
    )
    assert "mine: 1 models, 6 samples, 2 classes" in ran.out
    assert "make,width=3" in ran.out


def test_build_without_models_is_wrong_usage(encas, place):
    ran = encas(*BUILD, "--out", "pool")
    assert ran.code == 1
    assert "no models: give --model SPEC" in ran.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--workers", 0), "expected at least one worker, got 0"),
        (("--samples", 99), r"expected a subset of 1..6 samples, got 99"),
        (("--class-map", "nowhere.json"), "nowhere.json: no such file"),
        (("--costs", "nowhere.csv"), "nowhere.csv: no such file"),
        (("--data", "nowhere"), "no such data: expected a folder"),
        (("--device", "abacus"), "expected cpu, cuda:N or tensorrt:N as the device"),
    ],
)
def test_build_with_a_wrong_option_ends_with_one_line(encas, place, words, line):
    ran = encas(*BUILD, "--model", "torch:some_nets:make", "--out", "pool", *words)
    assert ran.code == 1
    assert line in ran.err
    assert not (place / "pool" / "pool.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("split", ["val", "test"])
def test_build_of_real_networks_stores_the_known_outputs(
    encas, shared_data, tmp_path, monkeypatch, request, split
):
    monkeypatch.chdir(request.config.rootpath / EXAMPLE)
    data = shared_data / "cifar10"
    checkpoint = data / "weights" / "resnet20-12fca82f.th"
    models = [
        f"onnx:{data}/weights/*.onnx",
        f"th=torch:resnet:resnet?depth=20&weights={checkpoint}",
    ]
    words = [word for model in models for word in ("--model", model)]
    common = ("--preprocessing", "preprocessing.json", "--samples", 200, "--workers", 1)
    ran = encas(
        "pool", "build", *words, "--data", data / f"{split}.zip", *common, "--out", tmp_path / "p"
    )
    assert ran.code == 0, ran.err
    pool = Pool.load(tmp_path / "p")
    known = np.load(data / f"{split}_outputs.npz", allow_pickle=False)
    rows = stratified_rows(known["label"], 200, seed=0)
    np.testing.assert_array_equal(pool.label, known["label"][rows])
    names = known["model"].tolist()
    for model, output in zip(pool.models, pool.outputs, strict=True):
        index = names.index(f"aka_{'resnet20' if model.name == 'th' else model.name}")
        np.testing.assert_allclose(output, known["raw"][index][rows], rtol=0, atol=1e-4)
        assert model.costs["macs"] == known["macs"][index]
    assert pool.models[4].costs["params"] == known["params"][names.index("aka_resnet20")]


def test_cost_command_adds_a_table(encas, place):
    encas(*BUILD, "--model", "a=torch:some_nets:make", "--out", "pool")
    (place / "costs.csv").write_text("name,joules\na,0.25\n")
    ran = encas("pool", "cost", "pool", "costs.csv", "--out", "priced", "--json")
    assert ran.json["models"][0]["costs"]["joules"] == 0.25
    content = json.loads((place / "priced" / "pool.json").read_text())
    assert content["models"][0]["source"].count("preprocessing=../pool/preprocessing-") == 1
    assert "samples" in content
