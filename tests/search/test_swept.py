import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.objectives import TopOneError, cost_objective
from encas.evaluate.sweep_prices import prices_of
from encas.evaluate.sweeper import Sweeper
from encas.search.archive import ElitistArchive
from encas.search.cascade_problem import CascadeProblem
from encas.search.swept import sweep_into


@pytest.fixture
def tools(tiny_pool) -> dict:
    contenders = compress(tiny_pool, max_members=2)
    cost = cost_objective("macs", tiny_pool)
    problem = CascadeProblem(
        ContenderEvaluator(contenders), TopOneError(), [cost], n_models=3, max_members=2
    )
    sweeper = Sweeper(contenders, prices_of([cost], n_models=3, n_samples=8))
    return {"sweeper": sweeper, "problem": problem}


def test_sweep_adds_what_it_finds_as_genomes_with_their_objectives(tools):
    archive = ElitistArchive(3, 2)
    swept = sweep_into(
        archive, np.array([[0, -1], [2, -1]]), tools["sweeper"].empty_stair(), **tools
    )
    assert swept is not None
    assert swept.correct.tolist() == [5, 8]
    assert archive.genomes[:, :2].tolist() == [[3, 0], [1, 0]]
    assert archive.objectives.tolist() == [[0.0, 2e7], [3 / 8, 1e6]]
    np.testing.assert_array_equal(tools["problem"].evaluate(archive.genomes), archive.objectives)


def test_sweep_that_improves_nothing_is_none_and_adds_nothing(tools):
    sequences, sweeper = np.array([[0, -1], [2, -1]]), tools["sweeper"]
    known = sweeper.lowered(sweeper.empty_stair(), sweeper.sweep(sequences, sweeper.empty_stair()))
    archive = ElitistArchive(3, 2)
    assert sweep_into(archive, sequences, known, **tools) is None
    assert len(archive) == 0
