import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.cascade import Cascade
from encas.evaluate.dense import decide_on
from encas.evaluate.stage_table import StageTable
from encas.pools.pool import Pool


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
@pytest.mark.parametrize("combine", ["mean", "replace"])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), thresholds=st.tuples(*[st.floats(0, 1)] * 2))
def test_table_decides_as_the_definition_does(confidence, combine, seed, thresholds):
    rng = np.random.default_rng(seed)
    outputs = rng.dirichlet(np.full(4, 0.4), size=(3, 50)).astype(np.float32)
    pool = Pool.of(outputs=outputs, label=rng.integers(4, size=50), costs={"macs": [1, 2, 3]})
    cascade = Cascade(
        members=("model_2", "model_0", "model_1"),
        thresholds=thresholds,
        confidence=confidence,
        combine=combine,
    )
    decision = decide_on(cascade, pool)
    table = StageTable.of(cascade, pool)
    np.testing.assert_array_equal(table.stage(thresholds) + 1, decision.stage)
    np.testing.assert_array_equal(table.right(thresholds), decision.label == pool.label)


def test_take_keeps_the_rows_asked_for(tiny_pool):
    cascade = Cascade(members=("cheap", "dear"), thresholds=(0.55,))
    rows = np.array([6, 1])
    table = StageTable.of(cascade, tiny_pool)
    part = StageTable.of(cascade, tiny_pool.take(rows))
    np.testing.assert_array_equal(table.take(rows).confidence, part.confidence)
    np.testing.assert_array_equal(table.take(rows).correct, part.correct)
