from dataclasses import replace

import pytest

from encas.fronts.front import Front
from encas.fronts.front_labels import cost_label, distinct_names, quality_label
from encas.fronts.scored_cascade import PoolReference

POOL = PoolReference(name="p", sha256="0" * 64, n_samples=100, n_classes=3)
FRONT = Front(pool=POOL, objectives=("error", "macs"), cascades=())


@pytest.mark.parametrize(
    ("objective", "label"),
    [
        ("macs", "expected MACs per sample"),
        ("params", "expected params per sample"),
        ("cost_joules", "expected joules per sample"),
        ("latency", "predicted ms per batch of 4"),
    ],
)
def test_cost_label_has_the_unit(objective, label):
    assert cost_label(replace(FRONT, objectives=("error", objective), batch_size=4)) == label


def test_quality_label_is_the_accuracy_of_top_one_alone():
    assert quality_label(FRONT) == "accuracy"
    assert quality_label(replace(FRONT, metric="balanced")) == "1 - balanced error"


def test_names_of_fronts_on_different_pools_are_their_pools():
    other = replace(FRONT, pool=replace(POOL, name="q"))
    assert distinct_names([FRONT, other]) == ["front on p", "front on q"]
    assert distinct_names([]) == []


def test_names_of_fronts_on_one_pool_say_how_they_were_found():
    found = replace(FRONT, search={"algorithm": "sweep", "seed": 0})
    assert distinct_names([found, FRONT]) == ["front on p, sweep, seed 0", "front on p, ?, seed ?"]
