import numpy as np
import pytest

from encas.search.sweep_moves import Moves, parents_of


@pytest.mark.parametrize("max_members", [1, 2, 4])
def test_moves_give_sequences_of_different_models(rng, max_members):
    singles = rng.random((9, 2))
    moves = Moves(singles, max_members=max_members, rng=rng)
    front = np.array([[1, 5, -1, -1], [2, -1, -1, -1]])
    lengths = set()
    for _ in range(300):
        sequence = list(rng.permutation(9)[: rng.integers(1, max_members + 1)])
        changed = moves.changed(sequence, front)
        if changed is not None:
            lengths.add(len(changed))
            assert len(set(changed)) == len(changed) <= max_members
            assert changed != sequence
            assert set(changed) <= set(range(9))
    assert lengths == set(range(1, max_members + 1))


def test_parents_come_from_the_whole_front(rng):
    error = np.linspace(0.9, 0.1, 40)
    objectives = np.stack((error, np.logspace(0, 5, 40)), axis=1)
    counts = np.bincount(parents_of(objectives, 20_000, rng), minlength=40)
    assert counts.min() > 0
    assert counts[-1] > 2 * np.median(counts)


def test_parents_of_a_single_cascade_are_that_one(rng):
    assert set(parents_of(np.array([[0.2, 0.0]]), 50, rng)) == {0}


def test_moves_replace_insert_delete_and_exchange(rng):
    moves = Moves(rng.random((9, 2)), max_members=3, rng=rng)
    front = np.array([[1, 5, -1]])
    found = [moves.changed([3, 4], front) for _ in range(400)]
    changed = [sequence for sequence in found if sequence is not None]
    assert {len(sequence) for sequence in changed} == {1, 2, 3}
    assert [4, 3] in changed
    assert [3] in changed
    assert [4] in changed
    kept = [{3, 4} & set(sequence) for sequence in changed]
    assert min(len(both) for both in kept) == 1
    inserted = [sequence for sequence in changed if len(sequence) == 3]
    assert all({3, 4} <= set(sequence) for sequence in inserted)


def test_moves_of_the_longest_sequence_make_it_no_longer(rng):
    moves = Moves(rng.random((9, 2)), max_members=2, rng=rng)
    front = np.array([[1, 5]])
    found = [moves.changed([3, 4], front) for _ in range(200)]
    assert {len(sequence) for sequence in found if sequence is not None} == {1, 2}


def test_moves_of_the_only_model_are_impossible(rng):
    moves = Moves(rng.random((1, 2)), max_members=2, rng=rng)
    assert all(moves.changed([0], np.array([[0, -1]])) is None for _ in range(50))


def test_drawn_models_are_mostly_near_in_an_objective(rng):
    # Both objectives rank the models alike: 50 of 100, and those that the front has.
    singles = np.stack((np.arange(100.0), np.arange(100.0)), axis=1)
    moves = Moves(singles, max_members=3, rng=rng)
    front = np.array([[7, 93, -1]])
    drawn = np.array([moves.drawn(50, front) for _ in range(3000)])
    assert np.mean(np.abs(drawn - 50) <= 12) == pytest.approx(0.6, abs=0.1)
    assert np.mean(np.isin(drawn, (7, 93))) == pytest.approx(0.25, abs=0.05)
    assert 0 <= drawn.min() < drawn.max() <= 99


def test_drawn_model_at_the_end_of_the_ranks_stays_within_them(rng):
    singles = np.stack((np.arange(3.0), np.arange(3.0)[::-1]), axis=1)
    moves = Moves(singles, max_members=3, rng=rng)
    assert {moves.drawn(model, np.array([[1, -1]])) for model in range(3) for _ in range(60)} == {
        0, 1, 2,
    }  # fmt: skip
