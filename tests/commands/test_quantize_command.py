"""`encas pool quantize`: new members in another precision, through search, export and proof."""

import numpy as np
import onnx
import pytest

from encas.export.onnx_model import precision_of
from encas.manifest import Manifest
from encas.pools.pool import Pool


def quantize(encas, loop, out, *words):
    return encas("pool", "quantize", loop.pool, "--out", out, "--data", loop.data, *words)


def test_quantize_to_int8_makes_new_members_that_are_proven(encas, loop, tmp_path):
    out = tmp_path / "int8"
    ran = quantize(encas, loop, out, "--to", "int8", "--calibrate", loop.data, "--json")
    assert ran.code == 0, ran.err
    pool, before = Pool.load(out), Pool.load(loop.pool)
    assert pool.names == (*before.names, "small-int8", "medium-int8", "large-int8")
    for i, found in enumerate(ran.json["models"]):
        assert np.array_equal(pool.outputs[i], before.outputs[i])
        difference = abs(pool.probabilities(i + 3) - pool.probabilities(i)).max()
        assert found["max_difference"] == pytest.approx(float(difference))
        assert 1e-5 < difference < 0.2
        assert pool.models[i + 3].costs == before.models[i].costs
    assert precision_of(onnx.load(out / "models/small-int8.onnx")) == "int8"
    ops = {node.op_type for node in onnx.load(out / "models/small-int8.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Softmax"} <= ops

    front = tmp_path / "f.json"
    assert encas("search", out, "--out", front, "--algorithm", "exact").code == 0
    bundle = tmp_path / "bundle"
    ran = encas("export", front, out, "--out", bundle, "--data", loop.data, "--index", 0, "--json")
    assert ran.code == 0, ran.err
    assert {m.precision for m in Manifest.load(bundle).members} <= {"float32", "int8"}
    assert encas("verify", bundle, "--data", loop.data).code == 0


def test_quantize_to_float16_rounds_and_keeps_float32_at_both_ends(encas, loop, tmp_path):
    out = tmp_path / "half"
    ran = quantize(encas, loop, out, "--to", "float16", "--model", "large", "--json")
    assert ran.code == 0, ran.err
    pool = Pool.load(out)
    assert pool.names[3:] == ("large-float16",)
    difference = abs(pool.probabilities(3) - pool.probabilities(2)).max()
    assert 1e-7 < difference < 0.01
    model = onnx.load(out / "models/large-float16.onnx")
    assert precision_of(model) == "float16"
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert pool.probabilities(3).sum(axis=1) == pytest.approx(1, abs=1e-6)


def test_quantize_to_int8_without_calibration_is_one_line(encas, loop, tmp_path):
    ran = quantize(encas, loop, tmp_path / "out", "--to", "int8")
    assert ran.code == 1
    assert "int8 needs calibration samples; give --calibrate DATA" in ran.err
    assert not (tmp_path / "out").exists()
