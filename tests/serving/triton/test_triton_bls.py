import asyncio
import json

import numpy as np
import pytest
from fake_triton import FakeTriton, joined, requests_of, samples, written
from view_bundle import views

from encas.cascade import Cascade, decide
from encas.runtime.loading import load


def test_bls_decides_as_the_executor_and_calls_each_member_once(triton, loaded, bundle, tmp_path):
    runner = load(bundle)
    triton.models = {s.info.name: s.run for s in runner.sessions}
    model = loaded(written(bundle, tmp_path, layout="bls"), "three")
    parts = samples(3, 1, 20)
    responses = asyncio.run(model.execute([{"input": part} for part in parts]))
    expected = runner(np.concatenate(parts))
    assert [len(r.tensors["label"]) for r in responses] == [3, 1, 20]
    np.testing.assert_array_equal(joined(responses, "label")[:, 0], expected.label)
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
    confidence = expected.probabilities.max(axis=1)
    np.testing.assert_array_equal(joined(responses, "confidence")[:, 0], confidence)
    left = [24, int((expected.stage > 1).sum()), int((expected.stage > 2).sum())]
    assert triton.calls == [("m0", left[0]), ("m1", left[1]), ("m2", left[2])]
    counts = {("three", str(j)): int((expected.stage == j).sum()) for j in (1, 2, 3)}
    assert triton.counts == counts


def test_bls_on_a_gpu_pads_calls_to_buckets(triton, loaded, bundle, tmp_path):
    runner = load(bundle)
    triton.models = {s.info.name: s.run for s in runner.sessions}
    repository = written(
        bundle, tmp_path, layout="bls", target="gpu", backend="onnxruntime", max_batch_size=16
    )
    (x,) = samples(11)
    responses = asyncio.run(loaded(repository, "three").execute([{"input": x}]))
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], runner(x).stage)
    assert all(size in (1, 2, 4, 8, 16) for _, size in triton.calls)
    assert triton.calls[0] == ("m0", 16)


def test_bls_whose_member_fails_says_which(triton, loaded, bundle, tmp_path):
    triton.models = {"m0": lambda _x: "out of memory"}
    model = loaded(written(bundle, tmp_path, layout="bls"), "three")
    with pytest.raises(FakeTriton.TritonModelException, match="m0: out of memory"):
        asyncio.run(model.execute([{"input": samples(2)[0]}]))


# One row per sample and member: [n_samples, n_members, n_classes]; a sample is its number.
TABLE = np.random.default_rng(7).dirichlet(np.full(3, 0.7), (30, 3)).astype(np.float32)


def model_of(triton, module, *, max_batch_size=64, **parameters):
    """The model over members whose answers stand in TABLE."""
    given = {"members": "a,b,c", "thresholds": "0.6,0.5", "confidence": "max_probability"}
    texts = {**given, "combine": "mean", **parameters}
    config = {
        "max_batch_size": max_batch_size,
        "parameters": {key: {"string_value": text} for key, text in texts.items()},
    }
    triton.models = {
        name: lambda x, j=j: TABLE[x.astype(int).ravel(), j] for j, name in enumerate("abc")
    }
    model = module.TritonPythonModel()
    model.initialize({"model_config": json.dumps(config), "model_name": "it"})
    return model


def answers_of(model, n=30):
    request = {"input": np.arange(n, dtype=np.float32)[:, None]}
    (response,) = asyncio.run(model.execute([request]))
    return response.tensors


@pytest.mark.parametrize("combine", ["mean", "replace"])
@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_bls_knows_every_confidence_and_way_to_combine(triton, own_module, confidence, combine):
    model = model_of(triton, own_module("triton_bls"), confidence=confidence, combine=combine)
    cascade = Cascade(
        members=("a", "b", "c"), thresholds=(0.6, 0.5), confidence=confidence, combine=combine
    )
    expected = decide(cascade, lambda j, rows: TABLE[rows, j], n_samples=30)
    found = answers_of(model)
    np.testing.assert_array_equal(found["label"][:, 0], expected.label)
    np.testing.assert_array_equal(found["stage"][:, 0], expected.stage)
    np.testing.assert_array_equal(found["probabilities"], expected.probabilities)


def test_bls_of_one_member_needs_no_thresholds(triton, own_module):
    model = model_of(triton, own_module("triton_bls"), members="b", thresholds="")
    found = answers_of(model)
    assert set(found["stage"].ravel()) == {1}
    np.testing.assert_array_equal(found["probabilities"], TABLE[:, 1])
    assert triton.calls == [("b", 30)]


def test_bls_calls_members_with_no_more_than_the_largest_batch(triton, own_module):
    model = model_of(triton, own_module("triton_bls"), members="a", thresholds="", max_batch_size=8)
    np.testing.assert_array_equal(answers_of(model)["probabilities"], TABLE[:, 0])
    assert triton.calls == [("a", 8), ("a", 8), ("a", 8), ("a", 6)]


def test_bls_calls_no_member_that_no_row_is_left_for(triton, own_module):
    model = model_of(triton, own_module("triton_bls"), thresholds="0,0")
    assert set(answers_of(model)["stage"].ravel()) == {1}
    assert triton.calls == [("a", 30)]


def test_bls_hands_each_member_the_input_that_it_reads(triton, loaded, view_bundles, tmp_path):
    bundle, x = view_bundles / "both", views(24)
    runner = load(bundle)
    triton.models = {s.info.name: s.run for s in runner.sessions}
    model = loaded(written(bundle, tmp_path, layout="bls"), "both")
    responses = asyncio.run(model.execute(requests_of(x, 3, 1, 20)))
    expected = runner(x)
    assert set(expected.stage) == {1, 2, 3}
    assert [len(r.tensors["label"]) for r in responses] == [3, 1, 20]
    np.testing.assert_array_equal(joined(responses, "stage")[:, 0], expected.stage)
    np.testing.assert_array_equal(joined(responses, "probabilities"), expected.probabilities)
    left = [24, int((expected.stage > 1).sum()), int((expected.stage > 2).sum())]
    assert triton.calls == [("4a", left[0]), ("6a", left[1]), ("4b", left[2])]
