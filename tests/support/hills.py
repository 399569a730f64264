"""A problem that is rugged and partly infeasible, for strategies and searches."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Hills:
    """Mixed alphabets; rugged objectives; a tenth of the space is infeasible."""

    n_objectives: int = 2
    n_values: np.ndarray = field(default_factory=lambda: np.array([17, 3, 51, 2, 17, 51]))

    def evaluate(self, genomes: np.ndarray) -> np.ndarray:
        shares = genomes / (self.n_values - 1)
        waves = [np.sin(7 * shares + k) + np.abs(shares - k / 2) for k in range(self.n_objectives)]
        objectives = np.stack([wave.sum(axis=1) for wave in waves], axis=1)
        objectives[genomes.sum(axis=1) % 10 == 3] = np.inf
        return objectives
