from itertools import permutations

import numpy as np
import pytest

from encas.search.sequences import n_sequences, sequences_at


@pytest.mark.parametrize(("n_models", "n_members"), [(1, 1), (4, 1), (4, 3), (5, 5), (6, 2)])
def test_sequences_are_all_permutations_in_lexicographic_order(n_models, n_members):
    expected = list(permutations(range(n_models), n_members))
    places = np.arange(n_sequences(n_models, n_members))
    found = sequences_at(places, n_models=n_models, n_members=n_members)
    assert [tuple(row) for row in found.tolist()] == expected


def test_sequences_of_no_places_are_none():
    assert sequences_at(np.arange(0), n_models=9, n_members=4).shape == (0, 4)
