"""A strategy at work on a problem, step by step."""

import numpy as np
import pytest
from hills import Hills

from encas.errors import SearchError
from encas.search.gomea import MoGomea
from encas.search.nsga import Nsga2, Nsga3
from encas.search.random_draw import RandomDraw
from encas.search.search import AskTellSearch


def as_bytes(state) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in state.items()}


def searching(problem: Hills, make) -> AskTellSearch:
    return AskTellSearch(problem, make(problem, rng=np.random.default_rng(0)))


@pytest.mark.parametrize("make", [MoGomea, Nsga2, Nsga3, RandomDraw])
@pytest.mark.parametrize("limits", [[1] * 137, [100, 37], [3, 90, 1, 43]])
def test_step_cut_by_limits_equals_whole_batches(make, limits):
    problem = Hills()
    cut, whole = (searching(problem, make) for _ in range(2))
    for end in np.cumsum(limits):
        while cut.n_evaluations < end:
            cut.step(int(end) - cut.n_evaluations)
    assert cut.n_evaluations == 137
    while whole.n_evaluations < 137:
        whole.step(137 - whole.n_evaluations)
    assert as_bytes(cut.archive.state()) == as_bytes(whole.archive.state())
    for search in (cut, whole):
        while search.n_evaluations < 2000:
            search.step(2000 - search.n_evaluations)
    assert as_bytes(cut.state()) == as_bytes(whole.state())


def test_archive_counts_the_open_batch():
    problem = Hills()
    search = searching(problem, RandomDraw)
    search.step(10)
    assert search.n_evaluations == 10
    assert len(search.archive) > 0
    genomes = RandomDraw(problem, rng=np.random.default_rng(0)).ask()[:10]
    assert {tuple(g) for g in search.archive.genomes} <= {tuple(g) for g in genomes}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda o: o[:, :1], r"must have shape \(256, 2\), got \(256, 1\)"),
        (lambda o: o[1:], r"must have shape \(256, 2\), got \(255, 2\)"),
        (lambda o: o * np.nan, "an objective is NaN"),
    ],
)
def test_step_faulty_objectives_are_refused(fault, message):
    problem = Hills()
    search = searching(problem, RandomDraw)
    evaluate = problem.evaluate
    problem.evaluate = lambda genomes: fault(evaluate(genomes))
    with pytest.raises(SearchError, match=message):
        search.step(1000)
