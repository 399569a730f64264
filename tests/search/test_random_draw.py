from types import SimpleNamespace

import numpy as np

from encas.search.random_draw import BATCH, RandomDraw


def test_ask_draws_every_gene_uniformly():
    problem = SimpleNamespace(n_values=np.array([2, 17, 51]), n_objectives=2)
    strategy = RandomDraw(problem, rng=np.random.default_rng(0))
    batches = []
    for _ in range(200):
        batches.append(strategy.ask())
        strategy.tell(np.full((BATCH, 2), np.inf))
    genomes = np.concatenate(batches)
    for gene, n_values in enumerate(problem.n_values):
        counts = np.bincount(genomes[:, gene], minlength=n_values)
        expected = len(genomes) / n_values
        assert len(counts) == n_values
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)
