from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import wilcoxon

from encas.errors import SearchError
from encas.fronts.contest import contest_of, curves_of, duels_of, summary_of
from encas.fronts.contest_run import ContestRun
from encas.fronts.indicators import hypervolume, igd_plus
from encas.jobs.run_contest import ContestPlan, run_plan
from encas.search.front_finding import find_front
from encas.search.options import SearchOptions


@pytest.fixture
def runs(tiny_pool, tmp_path) -> list[ContestRun]:
    options = SearchOptions(evaluations=80, max_members=2, reference=(0.9, 4e7))
    plan = ContestPlan(algorithms=("random", "single"), seeds=(1, 2, 3), options=options)
    test = tiny_pool.take([0, 1, 5, 6], name="other")
    return run_plan(tiny_pool, plan, folder=tmp_path, test=test)


def test_contest_scores_are_those_of_the_fronts(runs, tiny_pool):
    exact = find_front(tiny_pool, evaluations=2000, max_members=2)
    contest = contest_of(runs, exact=exact)
    assert list(contest.scores) == ["random", "single"]
    assert [score.seed for score in contest.scores["random"]] == [1, 2, 3]
    score, run = contest.scores["random"][1], next(r for r in runs if r.seed == 2)
    assert score.hypervolume == hypervolume(run.front.points / (0.9, 4e7), (1, 1))
    assert score.hypervolume == run.front.search["hypervolume"]["history"][-1][2]
    assert score.tested == hypervolume(run.tested.points / (0.9, 4e7), (1, 1))
    assert score.igd_plus == igd_plus(run.front.points, exact.points, (0.9, 4e7))
    assert contest.exact >= max(score.hypervolume for score in contest.scores["random"])


def test_contest_json_has_a_row_for_each_algorithm_and_pair(runs):
    content = contest_of(runs).to_json()
    assert [row["name"] for row in content["algorithms"]] == ["random", "single"]
    assert len(content["algorithms"][0]["runs"]) == 3
    assert content["algorithms"][0]["summary"]["igd_plus_median"] is None
    assert [(duel["first"], duel["second"]) for duel in content["duels"]] == [
        ("random", "single"),
        ("single", "random"),
    ]
    assert content["duels"][0]["n_pairs"] == 3
    assert content["reference"] == [0.9, 4e7]


@pytest.mark.parametrize(("ended", "is_known"), [("finished", True), ("evaluations", False)])
def test_contest_run_of_exact_that_came_to_its_end_is_the_exact_front(runs, ended, is_known):
    best = replace(
        runs[0].front, search={**runs[0].front.search, "algorithm": "exact", "ended": ended}
    )
    contest = contest_of([*runs, ContestRun(front=best, tested=runs[0].tested)])
    assert (contest.exact is not None) == is_known
    if is_known:
        assert contest.scores["exact"][0].igd_plus == 0
        assert contest.scores["single"][0].igd_plus > 0


def test_contest_exact_front_of_another_pool_is_refused(runs, tiny_pool):
    other = find_front(tiny_pool.take([0, 1, 2]), evaluations=50)
    with pytest.raises(SearchError, match="must be of the same pool"):
        contest_of(runs, exact=other)


def test_summary_is_median_worst_and_best(runs):
    scores = contest_of(runs).scores["random"]
    summary = summary_of(scores)
    values = [score.hypervolume for score in scores]
    assert summary["hypervolume_median"] == np.median(values)
    assert (summary["hypervolume_worst"], summary["hypervolume_best"]) == (min(values), max(values))


def test_duels_are_wilcoxon_s_tests(rng):
    found = {"a": list(rng.random(10) + 0.2), "b": list(rng.random(10)), "c": [0.5]}
    duels = {(duel.first, duel.second): duel for duel in duels_of(found)}
    difference = np.array(found["a"]) - found["b"]
    assert duels["a", "b"].p_two_sided == wilcoxon(difference).pvalue
    assert duels["a", "b"].p_greater == wilcoxon(difference, alternative="greater").pvalue
    assert duels["a", "b"].median_difference == np.median(difference)
    against_one = wilcoxon(np.array(found["a"]) - 0.5).pvalue
    assert duels["a", "c"].p_two_sided == against_one


def test_duels_of_equals_show_nothing():
    (first, second) = duels_of({"a": [0.5, 0.6], "b": [0.5, 0.6]})
    assert first.p_two_sided == second.p_greater == 1
    assert first.median_difference == 0


def test_curves_are_steps_with_a_band():
    histories = {
        "a": [[[10, 1.0, 0.2], [100, 2.0, 0.5]], [[20, 1.0, 0.4], [100, 4.0, 0.7]]],
        "b": [[[1, 0.5, 0.1]]],
    }
    curve = curves_of(histories, "evaluations")["a"]
    middle = np.searchsorted(curve.x, 50)
    assert curve.x[0] == 1
    assert curve.x[-1] == pytest.approx(100)
    assert (curve.worst[0], curve.best[0]) == (0, 0)
    assert (curve.worst[middle], curve.median[middle], curve.best[middle]) == pytest.approx(
        (0.2, 0.3, 0.4)
    )
    assert (curve.worst[-1], curve.best[-1]) == (0.5, 0.7)
    over_time = curves_of(histories, "seconds")
    assert over_time["b"].best[-1] == 0.1
    assert over_time["a"].worst[np.searchsorted(over_time["a"].x, 3.0)] == pytest.approx(0.4)


def test_igd_plus_counts_only_what_is_worse():
    best = np.array([[0.1, 4.0], [0.3, 2.0]])
    assert igd_plus(best, best, (1, 1)) == 0
    assert igd_plus(best - 0.05, best, (1, 1)) == 0
    assert igd_plus(np.array([[0.4, 2.0]]), best, (1.0, 10.0)) == pytest.approx((0.3 + 0.1) / 2)
    assert igd_plus(np.array([[0.1, 5.0]]), best, (1.0, 10.0)) == pytest.approx((0.1 + 0.3) / 2)
