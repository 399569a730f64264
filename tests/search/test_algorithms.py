"""What holds for every algorithm of the table, in every mode that it has."""

import io
import json

import numpy as np
import pytest

from encas.errors import SearchError
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.evaluator_choice import contenders_of
from encas.evaluate.objectives import error_objective, front_costs
from encas.fronts.indicators import non_dominated
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.search.algorithms import ALGORITHMS, AUTO, Setup
from encas.search.finder import search_pool
from encas.search.options import SearchOptions

CASES = [(name, mode) for name, entry in sorted(ALGORITHMS.items()) for mode in entry.modes]
BUDGET = 150
MAX_MEMBERS = 3

each_algorithm = pytest.mark.parametrize(("algorithm", "mode"), CASES)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Five models of 90 samples and four classes: the dearer, the better."""
    rng = np.random.default_rng(5)
    label = rng.integers(4, size=90)
    logits = rng.normal(size=(5, 90, 4)) * 1.5
    logits[:, np.arange(90), label] += np.arange(5)[:, None] * 0.7
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": [1.0, 3.0, 8.0, 20.0, 50.0], "params": [5.0, 4.0, 30.0, 20.0, 60.0]}
    outputs = probabilities.astype(np.float32)
    return Pool.of(outputs=outputs, label=label, costs=costs, name="contract")


def options(algorithm: str, mode: str, **more) -> SearchOptions:
    settings = {"algorithm": algorithm, "mode": mode, "max_members": MAX_MEMBERS, "seed": 4}
    return SearchOptions(**(settings | {"evaluations": BUDGET} | more))


def setup_of(pool: Pool, mode: str, *, objectives=("macs",)) -> Setup:
    return Setup(
        pool=pool,
        evaluator=DenseEvaluator(pool),
        error=error_objective("top1", pool),
        costs=front_costs(objectives, pool)[: len(objectives)],
        max_members=MAX_MEMBERS,
        seed=4,
        contenders=contenders_of(pool, max_members=MAX_MEMBERS, confidence="max_probability"),
        mode=mode,
    )


def search(pool: Pool, algorithm: str, mode: str, *, objectives=("macs",)):
    return ALGORITHMS[algorithm].make(setup_of(pool, mode, objectives=objectives))


def advance(running, until: int, limits) -> None:
    while running.n_evaluations < until and not running.finished:
        before = running.n_evaluations
        limit = min(until - before, int(next(limits)))
        running.step(limit)
        assert running.n_evaluations - before <= limit


def always(limit: int):
    while True:
        yield limit


def through_a_file(state):
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def result(running) -> dict[str, bytes]:
    archive = running.archive
    return {
        "genomes": archive.genomes.tobytes(),
        "objectives": archive.objectives.tobytes(),
        "n_evaluations": running.n_evaluations,
        "finished": running.finished,
    }


@each_algorithm
def test_front_is_sorted_non_dominated_and_without_duplicates(pool, algorithm, mode):
    front = search_pool(pool, options(algorithm, mode)).front
    assert len(front.cascades) > 1
    assert (np.diff(front.points[:, 1]) > 0).all()
    assert non_dominated(front.points).all()
    assert len({scored.cascade for scored in front.cascades}) == len(front.cascades)
    assert all(scored.cascade.n_stages <= MAX_MEMBERS for scored in front.cascades)


@each_algorithm
def test_front_re_evaluated_by_the_definition_is_exactly_the_same(pool, algorithm, mode):
    front = search_pool(pool, options(algorithm, mode)).front
    assert evaluate_front(front, pool).cascades == front.cascades


@each_algorithm
def test_front_of_the_same_seed_is_the_same(pool, algorithm, mode):
    fronts = [search_pool(pool, options(algorithm, mode)).front for _ in range(2)]
    texts = [json.dumps(front.to_json()["cascades"]) for front in fronts]
    assert texts[0] == texts[1]


@each_algorithm
def test_budget_is_spent_exactly_unless_there_is_nothing_left(pool, algorithm, mode):
    found = search_pool(pool, options(algorithm, mode, evaluations=37)).front.search
    if found["ended"] == "finished":
        assert found["evaluations"] <= 37
    else:
        assert (found["ended"], found["evaluations"]) == ("evaluations", 37)


@each_algorithm
def test_ensemble_has_no_early_exit(pool, algorithm, mode):
    front = search_pool(pool, options(algorithm, mode)).front
    if mode == "ensemble":
        assert all(set(scored.cascade.thresholds) <= {1.0} for scored in front.cascades)
        assert all(set(scored.reach) == {1.0} for scored in front.cascades)
    assert front.search["mode"] == mode


@each_algorithm
def test_steps_of_any_size_lead_to_the_same_archive(pool, algorithm, mode, rng):
    whole, pieces = (search(pool, algorithm, mode) for _ in range(2))
    advance(whole, BUDGET, always(10**9))
    advance(pieces, BUDGET, iter(rng.integers(1, 20, size=10_000)))
    assert result(pieces) == result(whole)


@each_algorithm
@pytest.mark.parametrize("objectives", [("macs",), ("macs", "params")])
def test_state_goes_on_as_if_never_stopped(pool, algorithm, mode, objectives, rng):
    if algorithm == "exact" and len(objectives) > 1:
        with pytest.raises(SearchError, match="exact fronts have one cost"):
            search(pool, algorithm, mode, objectives=objectives)
        return
    whole, stopped = (search(pool, algorithm, mode, objectives=objectives) for _ in range(2))
    advance(whole, BUDGET, always(10**9))
    for until in [*sorted(rng.integers(1, BUDGET, size=4).tolist()), BUDGET]:
        advance(stopped, until, always(10**9))
        if not stopped.resumable:
            continue
        state = through_a_file(stopped.state())
        stopped = search(pool, algorithm, mode, objectives=objectives)
        stopped.restore(state)
    assert result(stopped) == result(whole)
    if whole.resumable:
        texts = [{k: v.tobytes() for k, v in run.state().items()} for run in (whole, stopped)]
        assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "algorithm", [name for name, entry in sorted(ALGORITHMS.items()) if entry.is_random]
)
def test_random_algorithm_other_seed_is_another_search(pool, algorithm):
    settings = [options(algorithm, "cascade", seed=seed, evaluations=40) for seed in (1, 2)]
    fronts = [search_pool(pool, one).front.to_json()["cascades"] for one in settings]
    assert fronts[0] != fronts[1]


@pytest.mark.parametrize(
    "algorithm", [n for n, entry in sorted(ALGORITHMS.items()) if "ensemble" not in entry.modes]
)
def test_mode_that_an_algorithm_lacks_is_refused(algorithm):
    with pytest.raises(SearchError, match=f"{algorithm} has the mode cascade, got 'ensemble'"):
        options(algorithm, "ensemble")


def test_table_is_sorted_by_name_and_holds_no_auto():
    assert list(ALGORITHMS) == sorted(ALGORITHMS)
    assert AUTO not in ALGORITHMS


def test_table_of_what_ends_by_itself_and_what_takes_a_start():
    assert [n for n, a in ALGORITHMS.items() if a.default_evaluations is None] == ["exact"]
    assert [n for n, a in ALGORITHMS.items() if a.takes_start] == ["exact", "mo-gomea", "sweep"]


@pytest.mark.parametrize(("mode", "n_genes"), [("cascade", 5), ("ensemble", 3)])
def test_setup_has_a_problem_of_its_modes_genes(pool, mode, n_genes):
    setup = setup_of(pool, mode)
    assert setup.problem.n_values.tolist() == [6, 6, 6, 51, 51][:n_genes]
    genomes = np.array([[2, 0, 5, 7, 8][:n_genes]])
    rest = [7, 8] if mode == "cascade" else [50, 50]
    assert setup.cascade_genomes(genomes).tolist() == [[2, 0, 5, *rest]]


def test_setup_has_a_fresh_generator_of_its_seed(pool):
    setup = setup_of(pool, "cascade")
    assert setup.rng.integers(10**9) == setup.rng.integers(10**9)
    assert setup.rng.integers(10**9) == np.random.default_rng(4).integers(10**9)
