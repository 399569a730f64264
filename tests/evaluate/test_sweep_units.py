"""The samples of units against a loop over them."""

import numpy as np
import pytest

from encas.evaluate.sweep_units import N_LANES, N_PREFIX, NOBODY, sorted_units


def unpacked(stages, lasts, last, n_samples):
    """Each sample of a unit as (b_2, b_1, place, bins, right, best, gain), in sorted order."""
    samples = []
    for i in range(n_samples):
        bins = [int(stages[j, i]) // 2 for j in range(N_PREFIX)]
        right = [int(stages[j, i]) % 2 for j in range(N_PREFIX)]
        ends = [int(b) % 2 if m != NOBODY else 0 for b, m in zip(lasts[:, i], last, strict=True)]
        best = [max([*right[j:], *ends]) for j in range(N_PREFIX)]
        gain = [end - right[-1] for end in ends]
        samples.append((bins[1], bins[0], i, bins, right, best, gain))
    return sorted(samples)


@pytest.mark.parametrize("n_samples", [1, 40, 128])
def test_sorted_units_are_the_samples_by_second_and_first_bin(rng, n_samples):
    n, padded = 3, 128
    stages = (2 * rng.choice([0, 1, 20, 50, 51], (n, N_PREFIX, padded))).astype(np.uint8)
    stages += rng.integers(0, 2, stages.shape).astype(np.uint8)
    lasts = rng.integers(0, 104, (n, N_LANES, padded)).astype(np.uint8)
    last = rng.integers(0, 9, (n, N_LANES))
    last[:, 11:] = NOBODY
    units = sorted_units(stages, lasts, last, n_samples)
    for u in range(n):
        expected = unpacked(stages[u], lasts[u], last[u], n_samples)
        for place, (b2, b1, _, bins, right, best, gain) in enumerate(expected):
            assert units.bins[u, :, place].tolist() == bins
            assert units.right[u, :, place].tolist() == right
            assert units.best[u, :, place].tolist() == best
            assert units.gain[u, place].tolist() == gain
            assert units.end[u, b2, b1] > place
        ordered = [(b2, b1) for b2, b1, *_ in expected]
        for b2 in (0, 1, 20, 49, 50, 51):
            for b1 in (0, 1, 20, 49, 50, 51):
                assert units.end[u, b2, b1] == sum(pair <= (b2, b1) for pair in ordered)


def test_sorted_units_of_a_byte_beyond_the_grid_stay_within_bounds():
    stages = np.full((1, N_PREFIX, 64), 255, np.uint8)
    lasts, last = np.zeros((1, N_LANES, 64), np.uint8), np.zeros((1, N_LANES), np.int64)
    units = sorted_units(stages, lasts, last, 5)
    assert units.end[0, 51].tolist() == [0] * 51 + [5]
    assert not units.end[0, :51].any()
