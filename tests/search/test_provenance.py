import platform
from importlib.metadata import version

import numpy as np
import pytest

from encas.pools.pool import Pool
from encas.search.front_finding import find_front
from encas.search.provenance import versions
from encas.version import __version__


def test_versions_are_those_that_run():
    assert versions() == {
        "encas": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": version("numba"),
    }


def test_front_says_how_its_search_went(tiny_pool):
    front = find_front(tiny_pool, evaluations=40, algorithm="random", reference=(1.0, 3e7))
    found = front.search
    assert (found["evaluations"], found["ended"]) == (40, "evaluations")
    assert found["wall_s"] == round(found["wall_s"], 3)
    assert found["best_single_model"] == "dear"
    assert found["versions"] == versions()
    volume = found["hypervolume"]
    assert volume["reference"] == [1.0, 3e7]
    assert volume["history"][-1][0] == 40
    assert 0 < volume["history"][-1][2] < 1


@pytest.mark.parametrize(("costs", "best"), [([3.0, 2.0, 9.0], "b"), ([2.0, 2.0, 1.0], "a")])
def test_best_single_model_of_equals_is_the_cheapest_then_the_first(costs, best):
    sure = np.array([[0.75, 0.25], [0.25, 0.75]], np.float32)
    pool = Pool.of(
        outputs=[sure, sure, sure[::-1]], label=[0, 1], names=["a", "b", "c"], costs={"macs": costs}
    )
    front = find_front(pool, evaluations=10, algorithm="single")
    assert front.search["best_single_model"] == best


def test_best_single_model_is_that_of_the_metric():
    # Top-1 likes whoever says 0 always; the balanced error does not.
    always, fair = np.zeros((10, 2), np.float32), np.zeros((10, 2), np.float32)
    always[:, 0] = 1
    label = np.array([0] * 8 + [1] * 2)
    fair[np.arange(10), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]] = 1
    pool = Pool.of(
        outputs=[always, fair], label=label, names=["always", "fair"], costs={"macs": [1, 1]}
    )
    for metric, best in (("top1", "always"), ("balanced", "fair")):
        front = find_front(pool, evaluations=10, algorithm="single", metric=metric)
        assert front.search["best_single_model"] == best
