import numpy as np
import pytest

from encas.cascade import Cascade
from encas.errors import PoolError
from encas.evaluate.objectives import TopOneError, front_costs
from encas.fronts.front import Front
from encas.fronts.scoring import evaluate_front, front_of, pool_reference, score

CASCADE = Cascade(members=("cheap", "dear"), thresholds=(0.55,))


def test_score_by_hand_is_exact(tiny_pool):
    (scored,) = score(
        [CASCADE], tiny_pool, TopOneError(), front_costs(("error", "macs"), tiny_pool)
    )
    assert scored.error == 1 / 8
    assert scored.reach == (1.0, 0.5)
    assert scored.cost == 1e6 + 0.5 * 2e7
    assert scored.costs == {"macs": 1.1e7, "params": 1e3 + 0.5 * 3e4}


def test_score_unknown_member_is_refused(tiny_pool):
    with pytest.raises(PoolError, match="no model 'x'"):
        score([Cascade(members=("x",), thresholds=())], tiny_pool, TopOneError(), ())


def test_evaluate_front_keeps_order_and_says_where_it_searched(tiny_pool):
    costs = front_costs(("error", "macs"), tiny_pool)
    cascades = (Cascade(members=("dear",), thresholds=()), CASCADE)
    front = Front(
        pool=pool_reference(tiny_pool),
        objectives=("error", "macs"),
        cascades=score(cascades, tiny_pool, TopOneError(), costs),
    )
    part = tiny_pool.take(np.arange(4), name="other")
    evaluated = evaluate_front(front, part)
    assert [item.cascade for item in evaluated.cascades] == list(cascades)
    assert evaluated.pool.n_samples == 4
    assert evaluated.search["searched_on"] == "tiny"


def test_front_of_cascades_has_their_errors_and_macs(tiny_pool):
    front = front_of([Cascade(members=("dear",), thresholds=())], tiny_pool)
    assert front.objectives == ("error", "macs")
    assert front.points.tolist() == [[0.0, 2e7]]
    assert front.pool == pool_reference(tiny_pool)
