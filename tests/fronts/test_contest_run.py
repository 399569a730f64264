import pytest

from encas.fronts.contest_run import ContestRun
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference

POOL = PoolReference(name="p", sha256="0" * 64, n_samples=100, n_classes=3)


def test_run_is_called_by_what_its_front_says():
    found = {"algorithm": "sweep", "seed": 7}
    run = ContestRun(
        front=Front(pool=POOL, objectives=("error", "macs"), cascades=(), search=found)
    )
    assert (run.algorithm, run.seed, run.tested) == ("sweep", 7, None)


def test_run_of_a_front_that_says_nothing_is_no_run():
    run = ContestRun(front=Front(pool=POOL, objectives=("error", "macs"), cascades=()))
    with pytest.raises(KeyError, match="algorithm"):
        _ = run.algorithm
