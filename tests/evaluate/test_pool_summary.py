import json

import numpy as np
import pytest

from encas.evaluate.pool_compression import compress_pool
from encas.evaluate.pool_summary import summarise
from encas.intervals import wilson_interval
from encas.pools.model import Model
from encas.pools.pool import Pool


def test_summary_has_every_models_accuracy_with_its_interval(tiny_pool):
    summary = summarise(tiny_pool)
    assert (summary.name, summary.sha256) == ("tiny", tiny_pool.sha256)
    assert (summary.n_samples, summary.n_classes) == (8, 3)
    assert [m.name for m in summary.models] == ["cheap", "middle", "dear"]
    assert [m.accuracy for m in summary.models] == [5 / 8, 6 / 8, 1.0]
    assert [m.interval for m in summary.models] == [wilson_interval(n, 8) for n in (5, 6, 8)]
    assert summary.models[2].costs == {"macs": 2e7, "params": 3e4}


def test_summary_says_how_outputs_are_stored():
    models = [
        Model(name="a", kind="logits", costs={"macs": 1.0}, source="torch:nets:a"),
        Model(name="b", kind="probabilities", costs={"macs": 2.0}),
    ]
    outputs = [np.array([[-3, 2]], np.float16), np.array([[0.75, 0.25]], np.float32)]
    first, second = summarise(Pool.of(outputs=outputs, label=[1], models=models)).models
    assert (first.kind, first.dtype, first.source) == ("logits", "float16", "torch:nets:a")
    assert (second.kind, second.dtype, second.source) == ("probabilities", "float32", "")
    assert (first.accuracy, second.accuracy) == (1.0, 0.0)


@pytest.mark.parametrize(("label", "accuracy"), [(0, 1.0), (1, 0.0)])
def test_summary_of_a_tie_answers_the_lowest_class(label, accuracy, tmp_path):
    pool = Pool.of(outputs=[[[0.5, 0.5]]], label=[label]).save(tmp_path / "pool")
    assert summarise(pool).models[0].accuracy == accuracy
    compress_pool(pool, out=tmp_path / "small")
    assert summarise(Pool.load(tmp_path / "small")) == summarise(pool)


def test_summary_as_json_counts_the_models(tiny_pool):
    content = json.loads(json.dumps(summarise(tiny_pool).to_json()))
    assert content["n_models"] == len(content["models"]) == 3
    assert content["models"][0]["costs"] == {"macs": 1e6, "params": 1e3}
