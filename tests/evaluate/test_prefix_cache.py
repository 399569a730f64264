"""The cache against a dictionary: who has a slot, and whether its content is theirs."""

import numpy as np
import pytest

from encas.evaluate.prefix_cache import Assignment, PrefixCache


def prefixes(members: np.ndarray) -> list[tuple[int, ...]]:
    length = int((members >= 0).sum())
    return [tuple(members[: j + 1].tolist()) for j in range(length)]


def check(assigned: Assignment, members: np.ndarray, content: dict[int, tuple[int, ...]]) -> None:
    """Every slot is fresh or holds its sequence; what is fresh holds its sequence from now on."""
    fresh = set(assigned.fresh.tolist())
    assert len(fresh) == len(assigned.fresh)
    own: dict[int, tuple[int, ...]] = {}
    for cascade, slots in zip(members, assigned.slots, strict=False):
        keys = prefixes(cascade)
        assert (slots[len(keys) :] == -1).all()
        for key, slot in zip(keys, slots.tolist(), strict=False):
            assert own.setdefault(slot, key) == key
            # A sequence of a cascade that did not fit has a slot, and nothing in it yet.
            assert slot in fresh or content.get(slot, key) == key
    assert len(set(own.values())) == len(own)
    content.update(own)
    assert fresh <= set(own) or len(assigned.slots) < len(members)
    for slot in fresh - set(own):
        content.pop(slot, None)


def test_assign_gives_equal_beginnings_the_same_slot():
    cache = PrefixCache(8, 3)
    assigned = cache.assign(np.array([[0, 1, 2], [0, 1, -1], [1, 0, -1], [0, 2, -1]]))
    (a, b, c), (d, e, _), (f, g, _), (h, i, _) = assigned.slots.tolist()
    assert (a, b) == (d, e)
    assert a == h
    assert len({a, b, c, f, g, i}) == 6
    assert sorted(assigned.fresh) == sorted({a, b, c, f, g, i})


def test_assign_again_has_nothing_fresh():
    cache = PrefixCache(4, 2)
    members = np.array([[0, 1], [2, -1]])
    first = cache.assign(members)
    second = cache.assign(members)
    assert len(first.fresh) == 3
    assert len(second.fresh) == 0
    assert second.slots.tolist() == first.slots.tolist()


def test_assign_of_more_than_fits_takes_as_many_from_the_front():
    cache = PrefixCache(3, 3)
    members = np.array([[0, 1, -1], [1, -1, -1], [2, -1, -1]])
    assert len(cache.assign(members).slots) == 2
    assert len(cache.assign(members[2:]).slots) == 1


def test_assign_of_the_longest_cascades_takes_one_at_a_time():
    cache = PrefixCache(3, 3)
    members = np.array([[0, 1, 2], [3, 4, 5]])
    first = cache.assign(members)
    assert len(first.slots) == 1
    second = cache.assign(members[1:])
    assert sorted(second.fresh) == [0, 1, 2]


def test_assign_spares_what_was_used_since_the_hand_came_by():
    cache = PrefixCache(3, 1)
    a, b, c, d, e = (np.array([[m]]) for m in range(5))
    for members in (a, b, c):
        cache.assign(members)
    # Everybody was used: the hand spares all once and takes the first place.
    assert cache.assign(d).fresh.tolist() == [0]
    assert len(cache.assign(b).fresh) == 0
    assert cache.assign(e).fresh.tolist() == [2]
    assert len(cache.assign(b).fresh) == 0
    assert len(cache.assign(c).fresh) == 1


@pytest.mark.parametrize("n_slots", [4, 7, 16, 50])
def test_assign_any_batches_keeps_every_slot_its_owners(rng, n_slots):
    cache, twin = PrefixCache(n_slots, 4), PrefixCache(n_slots, 4)
    content: dict[int, tuple[int, ...]] = {}
    for _ in range(150):
        members = np.stack([rng.permutation(5)[:4] for _ in range(rng.integers(1, 8))])
        members[np.arange(4) >= rng.integers(1, 5, len(members))[:, None]] = -1
        assigned, same = cache.assign(members), twin.assign(members)
        assert 1 <= len(assigned.slots) <= len(members)
        assert assigned.slots.max() < n_slots
        check(assigned, members, content)
        np.testing.assert_array_equal(assigned.slots, same.slots)
        np.testing.assert_array_equal(assigned.fresh, same.fresh)


def test_assign_of_a_cascade_without_members_needs_no_slot():
    assigned = PrefixCache(2, 2).assign(np.array([[-1, -1]]))
    assert assigned.slots.tolist() == [[-1, -1]]
    assert len(assigned.fresh) == 0
