from collections import Counter
from dataclasses import replace

import pytest

from encas.commands.pool_tables import comparison_table, details_tables, summary_table
from encas.evaluate.pool_summary import PoolSummary, summarise
from encas.fronts.diversity import Diversity
from encas.pools.pool_difference import Comparison, ModelDrift

DIVERSITY = Diversity(
    oracle=0.875, oracle_interval=(0.5, 0.96), mean_double_fault=0.125, mean_disagreement=0.25,
    least_alike=(("cheap", "dear", 0.0625),), ece=(0.1, 0.2, 0.3),
)  # fmt: skip
USES = {"cheap": 3, "middle": 0, "dear": 1}


@pytest.fixture
def summary(tiny_pool) -> PoolSummary:
    return summarise(tiny_pool)


def cells_of(table) -> dict[str, list[str]]:
    return {column.header: list(column.cells) for column in table.columns}


def test_summary_has_a_row_for_each_model(summary):
    table = summary_table(summary)
    cells = cells_of(table)
    assert table.title == "tiny: 3 models, 8 samples, 3 classes"
    assert list(cells) == ["model", "accuracy", "95 % interval", "MACs", "stored"]
    assert cells["model"] == ["cheap", "middle", "dear"]
    assert cells["accuracy"] == ["0.6250", "0.7500", "1.0000"]
    assert cells["MACs"] == ["1,000,000", "4,000,000", "20,000,000"]
    assert set(cells["stored"]) == {"probabilities float32"}
    low, high = summary.models[0].interval
    assert cells["95 % interval"][0] == f"{low:.4f} .. {high:.4f}"


def test_model_without_macs_says_so(summary):
    unpriced = replace(summary, models=(replace(summary.models[0], costs={"params": 3.0}),))
    assert cells_of(summary_table(unpriced))["MACs"] == ["not known"]


def test_further_columns_come_with_what_they_show(summary):
    cells = cells_of(summary_table(summary, DIVERSITY, USES))
    assert list(cells)[-2:] == ["ECE", "cascades"]
    assert cells["ECE"] == ["0.1000", "0.2000", "0.3000"]
    assert cells["cascades"] == ["3", "0", "1"]
    assert "ECE" not in cells_of(summary_table(summary, None, USES))
    assert cells_of(summary_table(summary, None, Counter()))["cascades"] == ["0"] * 3


def test_details_are_the_pool_as_a_whole_and_its_least_alike_pairs(summary):
    assert len(details_tables(summary, None, USES)) == 1
    table, text, pairs = details_tables(summary, DIVERSITY, USES)
    assert table.row_count == 3
    assert text == (
        "Some model is right on 0.8750 of the samples (0.5000 .. 0.9600); two models are both "
        "wrong on 0.1250 on average, exactly one is right on 0.2500."
    )
    assert list(cells_of(pairs).values()) == [["cheap"], ["dear"], ["0.0625"]]


def test_comparison_has_a_row_for_each_model_of_both_pools():
    drifts = [
        ModelDrift(
            name=name, accuracies=(0.5, 0.75), difference=difference, interval=(-0.5, 0.875),
            ks=0.25, is_drifting=drifting,
        )
        for name, difference, drifting in (("a", 0.25, True), ("b", -0.25, False))
    ]  # fmt: skip
    comparison = Comparison(
        n_samples=(8, 4), n_shared=2, known_by="hash", n_repeated=(0, 0), class_shift=0.125,
        models=tuple(drifts),
    )  # fmt: skip
    table = comparison_table(comparison, "mine", "theirs")
    assert table.title == (
        "2 of 8 samples of mine are in theirs (by hash); classes' shares differ by 0.1250"
    )
    cells = cells_of(table)
    assert cells["model"] == ["a", "b"]
    assert (cells["mine (n = 8)"], cells["theirs (n = 4)"]) == (["0.5000"] * 2, ["0.7500"] * 2)
    assert cells["difference"] == ["+0.2500", "-0.2500"]
    assert cells["95 % interval"] == ["-0.5000 .. +0.8750"] * 2
    assert cells["confidences (KS)"] == ["0.2500 drift", "0.2500"]
