import numpy as np

from encas.search.archive_store import ADDED, DOMINATED, HAS_GRID, KNOWN, SIZE, new_store, offer_all


def store_of(objectives: list[list[float]], *, room: int):
    points = np.array(objectives, np.float64)
    store = new_store(np.arange(len(points))[:, None], points)
    extra = room - len(points)
    return store._replace(
        objectives=np.pad(store.objectives, ((0, extra), (0, 0))),
        slots=np.pad(store.slots, (0, extra)),
        genomes=np.pad(store.genomes, ((0, extra), (0, 0))),
        free=np.pad(store.free, (0, extra)),
    )


def offered(store, *objectives: list[float]) -> list[int]:
    points = np.array(objectives, np.float64)
    verdicts = np.empty(len(points), np.uint8)
    offer_all(np.arange(100, 100 + len(points))[:, None], points, store, verdicts)
    return verdicts.tolist()


def members(store) -> list[list[float]]:
    return store.objectives[: store.counts[SIZE]].tolist()


def test_offers_are_judged_one_after_the_other():
    store = store_of([[1.0, 3.0], [3.0, 1.0]], room=6)
    verdicts = offered(store, [2.0, 2.0], [2.0, 2.0], [2.5, 2.0], [np.inf, 0.0])
    assert verdicts == [ADDED, KNOWN, DOMINATED, DOMINATED]
    assert members(store) == [[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]]


def test_member_that_is_dominated_leaves_its_place_to_the_next():
    store = store_of([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0]], room=4)
    assert offered(store, [1.0, 1.0]) == [ADDED]
    assert members(store) == [[1.0, 1.0]]
    assert store.genomes[store.slots[0]].tolist() == [100]
    assert offered(store, [0.5, 2.0], [2.0, 0.5]) == [ADDED, ADDED]
    assert len(set(store.slots[:3].tolist())) == 3


def test_box_of_the_grid_holds_one_member_that_no_offer_dominates():
    store = store_of([[1.0, 3.0], [3.0, 1.0]], room=5)
    store.grid[:] = (1.0, 1.0), (1.0, 1.0)
    store.counts[HAS_GRID] = 1
    verdicts = offered(store, [1.5, 2.9], [1.9, 2.1], [1.6, 2.8])
    assert verdicts == [ADDED, KNOWN, KNOWN]
