import pytest

from encas.cascade import Cascade
from encas.errors import SearchError
from encas.fronts.front import Front
from encas.fronts.scored_cascade import PoolReference, ScoredCascade
from encas.search.finder import search_pool
from encas.search.front_finding import find_front
from encas.search.options import SearchOptions
from encas.search.warm_start import start_of


def front_of(*cascades: Cascade) -> Front:
    scored = [
        ScoredCascade(cascade=c, error=0.5, cost=float(i), reach=(1.0,) * c.n_stages)
        for i, c in enumerate(cascades)
    ]
    reference = PoolReference(name="earlier", sha256="0" * 64, n_samples=8, n_classes=3)
    return Front(pool=reference, objectives=("error", "macs"), cascades=tuple(scored))


def test_start_is_the_cascades_that_the_search_can_say(tiny_pool):
    front = front_of(
        Cascade(members=("dear",), thresholds=()),
        Cascade(members=("cheap", "dear"), thresholds=(0.611,)),
        Cascade(members=("cheap", "gone"), thresholds=(0.5,)),
        Cascade(members=("cheap", "middle", "dear"), thresholds=(0.5, 1.0)),
    )
    genomes = start_of(front, tiny_pool, SearchOptions(max_members=2))
    assert genomes.tolist() == [[1, 3, 31], [3, 0, 0]]


def test_start_of_unknown_models_is_refused(tiny_pool):
    front = front_of(Cascade(members=("gone",), thresholds=()))
    with pytest.raises(SearchError, match="none of 1 cascades has at most 3 members that are"):
        start_of(front, tiny_pool, SearchOptions())


@pytest.mark.parametrize("options", [{"confidence": "margin"}, {"mode": "ensemble"}])
def test_start_of_another_rule_is_refused(tiny_pool, options):
    front = front_of(Cascade(members=("cheap", "dear"), thresholds=(0.5,)))
    with pytest.raises(SearchError, match="expected a front of cascades with"):
        start_of(front, tiny_pool, SearchOptions(**options))


def test_algorithm_without_a_warm_start_says_who_has_one(tiny_pool):
    front = front_of(Cascade(members=("cheap", "dear"), thresholds=(0.5,)))
    with pytest.raises(SearchError, match="random has no warm start.*exact, mo-gomea, sweep"):
        find_front(tiny_pool, algorithm="random", warm_start=front)


def test_mo_gomea_evaluates_the_start_first(tiny_pool):
    exact = find_front(tiny_pool, algorithm="exact")
    n = len(exact.cascades)
    found = find_front(tiny_pool, algorithm="mo-gomea", evaluations=n, warm_start=exact, seed=9)
    assert (found.points == exact.points).all()


def test_resume_with_another_warm_start_is_refused(tiny_pool, tmp_path):
    options = SearchOptions(algorithm="mo-gomea", evaluations=50)
    exact = find_front(tiny_pool, algorithm="exact")
    search_pool(tiny_pool, options, warm_start=exact, checkpoint=tmp_path / "c.npz")
    with pytest.raises(SearchError, match="a checkpoint of a run with other settings"):
        search_pool(tiny_pool, options, checkpoint=tmp_path / "c.npz", resume=True)
