"""What a batch of sweeps adds to an archive."""

from __future__ import annotations

from ..arrays import DoubleArray, IntArray
from ..evaluate.genome import encode
from ..evaluate.sweeper import Sweep, Sweeper
from .archive import ElitistArchive
from .problem import Problem


def sweep_into(
    archive: ElitistArchive,
    sequences: IntArray,
    stair: DoubleArray,
    *,
    sweeper: Sweeper,
    problem: Problem,
) -> Sweep | None:
    """Sweeps sequences [n, K] against a staircase and adds what they find to an archive.

    Returns:
        What was found, None where nothing improves on the staircase.
    """
    swept = sweeper.sweep(sequences, stair)
    if not len(swept.sequence):
        return None
    genomes = encode(sequences[swept.sequence], swept.thresholds)
    archive.add(genomes, problem.evaluate(genomes))
    return swept
