"""`encas pool export-models`: from a pool to one that needs no torch."""

import json

import pytest

from encas.pools.pool import Pool


def test_exported_models_can_be_profiled_and_searched(encas, loop, patient, tmp_path):
    out = tmp_path / "portable"
    ran = encas("pool", "export-models", loop.pool, "--data", loop.data, "--out", out, "--json")
    assert ran.code == 0, ran.err
    assert [one["kind"] for one in ran.json["models"]] == ["logits"] * 3
    assert (ran.json["failed"], ran.json["n_models"]) == ([], 3)
    (tmp_path / "data.npz").unlink()
    for file in tmp_path.glob("*.onnx"):
        file.unlink()
    profiled = encas("profile", out, "--batch-size", 1, "--out", tmp_path / "p.json")
    assert profiled.code == 0, profiled.err
    found = encas("search", out, "--out", tmp_path / "f.json", "--algorithm", "exact")
    assert found.code == 0, found.err


def test_models_that_cannot_be_exported_are_told_at_the_end(encas, loop, tmp_path):
    (tmp_path / "small.onnx").write_bytes(b"nothing")
    ran = encas("pool", "export-models", loop.pool, "--data", loop.data, "--out", tmp_path / "out")
    assert ran.code == 0
    assert "1 models failed:\n  small: " in ran.err
    assert Pool.load(tmp_path / "out").names == ("medium", "large")


@pytest.mark.torch
def test_torch_models_become_files_with_their_preprocessing(encas, nets, pictures):
    words = ("--model", "a=torch:little_nets:make", "--data", pictures, "--workers", 1)
    built = encas("pool", "build", *words, "--preprocessing", "preprocessing.json", "--out", "pool")
    assert built.code == 0, built.err
    ran = encas("pool", "export-models", "pool", "--out", "out", "--exporter", "legacy", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["models"][0]["file"] == "models/a.onnx"
    stated = json.loads((nets / "out" / "models" / "a.onnx.preprocessing.json").read_text())
    assert (stated["size"], stated["interpolation"]) == ([8, 8], "bilinear")
