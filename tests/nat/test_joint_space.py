import numpy as np
import pytest

pytest.importorskip("torch")

from encas.nat.designs import space_of
from encas.nat.joint_space import JointSpace
from encas.nat.space import largest, smallest
from encas.nat.subnets import subnet_name

SPACES = (
    space_of("small-fused", size=8, n_channels=1),
    space_of("ofa-mbv3-w1.0"),
    space_of("small-mobile", size=8, n_channels=1),
)
SPACE = JointSpace(spaces=SPACES)


def genome(ranks, thresholds=(10, 20), makes=(largest,) * 3):
    parts = [make(space) for make, space in zip(makes, SPACES, strict=True)]
    return np.concatenate((*parts, ranks, thresholds)).astype(np.int64)


def test_a_genome_is_a_cascade():
    subnets = [subnet_name(space, largest(space)) for space in SPACES]
    cascade = SPACE.cascade(genome((2, 3, 1)))
    assert cascade.members == (subnets[2], subnets[0], subnets[1])
    assert cascade.thresholds == (0.2, 0.4)
    two = SPACE.cascade(genome((3, 0, 2)))
    assert two.members == (subnets[2], subnets[0])
    assert two.thresholds == (0.2,)
    tied = SPACE.cascade(genome((1, 1, 1)))
    assert tied.members == tuple(subnets)


def test_members_come_by_rank_and_end_with_minus_one():
    rows = np.stack([genome((2, 3, 1)), genome((3, 0, 2)), genome((0, 0, 0)), genome((2, 2, 1))])
    assert SPACE.members(rows).tolist() == [[2, 0, 1], [2, 0, -1], [-1, -1, -1], [2, 0, 1]]


def test_canonical_genomes_are_the_same_cascades_and_one_for_each():
    rng = np.random.default_rng(0)
    rows = rng.integers(SPACE.n_values, size=(300, len(SPACE.n_values)))
    rows = rows[(SPACE.ranks(rows) > 0).any(axis=1)]
    canonical = SPACE.canonical(rows)
    assert np.array_equal(SPACE.canonical(canonical), canonical)
    cascades = [SPACE.cascade(row) for row in rows]
    assert [SPACE.cascade(row) for row in canonical] == cascades
    same = {}
    for row, cascade in zip(canonical.tolist(), cascades, strict=True):
        assert same.setdefault(cascade, row) == row
    left_out = SPACE.canonical(genome((1, 0, 0))[None])
    assert left_out.tolist() == [genome((1, 0, 0), (0, 0), (largest, smallest, smallest)).tolist()]


def test_samples_are_canonical_of_every_length_and_begin_with_the_extremes():
    rows = SPACE.sample(400, np.random.default_rng(1))
    assert np.array_equal(SPACE.canonical(rows), rows)
    lengths = (SPACE.members(rows) >= 0).sum(axis=1)
    assert all(100 <= n <= 170 for n in np.bincount(lengths)[1:])
    first = SPACE.sample_distinct(30, np.random.default_rng(1))
    assert len({tuple(row) for row in first.tolist()}) == 30
    alone = [SPACE.cascade(row).members for row in first[:6]]
    expected = [(subnet_name(s, make(s)),) for make in (smallest, largest) for s in SPACES]
    assert alone == expected
