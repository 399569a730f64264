import numpy as np
import pytest

from encas.errors import PoolError, SearchError
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.evaluator_choice import contenders_of, evaluator_for
from encas.evaluate.pool_compression import compress_pool
from encas.pools.pool import Pool


@pytest.mark.parametrize(
    ("confidence", "rank"), [("max_probability", 1), ("margin", 2), ("logit_gap", 2)]
)
def test_contenders_serve_the_confidence(tiny_pool, confidence, rank):
    contenders = contenders_of(tiny_pool, max_members=2, confidence=confidence)
    assert contenders is not None
    assert (contenders.max_members, contenders.rank) == (2, rank)


def test_contenders_for_the_entropy_are_none(tiny_pool):
    assert contenders_of(tiny_pool, max_members=2, confidence="entropy") is None


def test_evaluator_of_contenders_is_the_compiled_one_and_else_the_definition(tiny_pool):
    contenders = contenders_of(tiny_pool, max_members=2, confidence="max_probability")
    fast = evaluator_for(tiny_pool, contenders, confidence="max_probability")
    assert isinstance(fast, ContenderEvaluator)
    dense = evaluator_for(tiny_pool, None, confidence="entropy")
    assert isinstance(dense, DenseEvaluator)
    # The entropy of the cheap model's answers, not their largest probability, is compared.
    counts = dense.count(np.array([[0, 2]]), np.array([[20]]))
    assert counts.reached.tolist() == [[8, 6]]


@pytest.mark.torch
def test_evaluator_on_a_device_that_is_not_there_is_refused(tiny_pool):
    contenders = contenders_of(tiny_pool, max_members=2, confidence="max_probability")
    with pytest.raises(SearchError, match="cuda:7: no such device here"):
        evaluator_for(tiny_pool, contenders, confidence="max_probability", device="cuda:7")


def test_compressed_pool_serves_what_it_was_made_for_and_refuses_the_rest(tiny_pool, tmp_path):
    compress_pool(tiny_pool.save(tmp_path / "pool"), out=tmp_path / "small", max_members=2)
    pool = Pool.load(tmp_path / "small")
    for max_members in (1, 2):
        assert contenders_of(pool, max_members=max_members, confidence="max_probability")
    for max_members, confidence in ((3, "max_probability"), (2, "margin")):
        wanted = f"pool tiny: the pool is not compressed for {max_members} members and the conf"
        with pytest.raises(PoolError, match=f"{wanted}idence {confidence}; compress it anew"):
            contenders_of(pool, max_members=max_members, confidence=confidence)
