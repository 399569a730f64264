import numpy as np
import pytest

from encas.search.listing import BATCH, ListedSearch


class Squares:
    """The genomes 0 .. n - 1 of one gene; the asked ones are kept."""

    def __init__(self, n_genomes: int) -> None:
        self.n_genomes = n_genomes
        self.asked: list[int] = []

    def genomes(self, places: np.ndarray) -> np.ndarray:
        self.asked += places.tolist()
        return places[:, None]


class TradeOff:
    """Every genome is on the front."""

    n_values = np.array([10_000])
    n_objectives = 2

    def evaluate(self, genomes: np.ndarray, /) -> np.ndarray:
        return np.stack((genomes[:, 0], -genomes[:, 0]), axis=1).astype(np.float64)


def test_step_takes_no_more_than_the_limit_or_a_batch():
    search = ListedSearch(TradeOff(), Squares(1000))
    for limit, n in ((1, 1), (10, 11), (10_000, 11 + BATCH)):
        search.step(limit)
        assert search.n_evaluations == n


def test_list_is_evaluated_once_in_order_to_its_end():
    listing = Squares(BATCH + 44)
    search = ListedSearch(TradeOff(), listing)
    assert search.resumable
    steps = 0
    while not search.finished:
        search.step(100)
        steps += 1
    assert (steps, search.n_evaluations) == (3, 300)
    assert listing.asked == list(range(300))
    assert search.archive.genomes[:, 0].tolist() == list(range(300))


@pytest.mark.parametrize(("n_genomes", "finished"), [(0, True), (1, False)])
def test_list_of_nothing_is_finished_at_once(n_genomes, finished):
    assert ListedSearch(TradeOff(), Squares(n_genomes)).finished is finished


def test_state_goes_on_where_it_was():
    first, listing = ListedSearch(TradeOff(), Squares(9)), Squares(9)
    first.step(4)
    second = ListedSearch(TradeOff(), listing)
    second.restore(first.state())
    assert second.n_evaluations == 4
    second.step(100)
    assert listing.asked == [4, 5, 6, 7, 8]
    assert second.finished
    assert second.archive.genomes[:, 0].tolist() == list(range(9))
