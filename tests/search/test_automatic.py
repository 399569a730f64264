import pytest

from encas.search.automatic import expected_evaluations, resolved
from encas.search.options import SearchOptions


def chosen(pool, **options) -> str:
    return resolved(SearchOptions(**options), pool).algorithm


def test_auto_small_pool_is_exact(tiny_pool, cifar_pool):
    assert chosen(tiny_pool) == "exact"
    assert chosen(cifar_pool) == "exact"


@pytest.mark.parametrize(
    "options",
    [
        {"evaluations": 14},
        {"seconds": 1e-9},
        {"stagnation": 100},
        {"objectives": ("macs", "params")},
    ],
)
def test_auto_exact_that_would_not_end_is_sweep(tiny_pool, options):
    assert chosen(tiny_pool, **options) == "sweep"


@pytest.mark.parametrize(
    "options",
    [
        {"metric": "balanced"},
        {"confidence": "entropy"},
        {"mode": "ensemble"},
        {"device": "cuda:0"},
    ],
)
def test_auto_what_cannot_be_swept_is_mo_gomea(tiny_pool, options):
    assert chosen(tiny_pool, **options) == "mo-gomea"


def test_auto_more_than_five_members_is_mo_gomea(cifar_pool):
    assert chosen(cifar_pool, max_members=6) == "mo-gomea"


def test_auto_leaves_a_named_algorithm_alone(tiny_pool):
    assert chosen(tiny_pool, algorithm="random") == "random"


def test_expected_evaluations_of_exact_are_its_sequences(tiny_pool):
    options = SearchOptions(algorithm="exact", max_members=2)
    assert expected_evaluations(options, tiny_pool) == 9
    options = SearchOptions(algorithm="exact", max_members=2, evaluations=5)
    assert expected_evaluations(options, tiny_pool) == 5
    assert expected_evaluations(SearchOptions(algorithm="sweep"), tiny_pool) == 100_000
    assert expected_evaluations(SearchOptions(algorithm="sweep", seconds=9), tiny_pool) is None
