"""Sequences of different models, numbered, so that they need not be listed to be gone through."""

from __future__ import annotations

from math import perm

import numpy as np

from ..arrays import IntArray


def n_sequences(n_models: int, n_members: int) -> int:
    """How many ordered sequences of `n_members` different models there are."""
    return perm(n_models, n_members)


def sequences_at(places: IntArray, *, n_models: int, n_members: int) -> IntArray:
    """The sequences at `places` [n] of the lexicographic order; int64 [n, n_members].

    Neighbours share all but the last member, as long as there is another last member.
    """
    rest = places
    members = np.empty((len(places), n_members), np.int64)
    for j in range(n_members - 1, -1, -1):
        rest, members[:, j] = np.divmod(rest, n_models - j)
    for j in range(n_members):
        for taken in np.sort(members[:, :j], axis=1).T:
            members[:, j] += members[:, j] >= taken
    return members
