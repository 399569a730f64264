import numpy as np

from encas.cascade import Cascade
from encas.evaluate.dense import DenseEvaluator, decide_on
from encas.evaluate.genome import decode, gene_sizes
from encas.evaluate.threshold_grid import THRESHOLDS


def loop_counts(pool, indices, genes):
    """Ten lines of the definition: samples right, samples that reach each stage."""
    correct, reached = 0, [0] * len(indices)
    for i in range(pool.n_samples):
        total = np.zeros(pool.n_classes, np.float32)
        for j, m in enumerate(indices):
            reached[j] += 1
            total = total + pool.probabilities(m)[i]
            mean = total / np.float32(j + 1)
            if j == len(indices) - 1 or mean.max() > THRESHOLDS[genes[j]]:
                correct += int(mean.argmax() == pool.label[i])
                break
    return correct, reached


def test_count_random_genomes_equals_loop(tiny_pool, rng):
    genomes = rng.integers(0, gene_sizes(3, 3), size=(200, 5))
    members, thresholds = decode(genomes)
    counts = DenseEvaluator(tiny_pool).count(members, thresholds)
    for i in range(len(genomes)):
        n_stages = int((members[i] >= 0).sum())
        if n_stages:
            correct, reached = loop_counts(tiny_pool, members[i, :n_stages], thresholds[i])
            assert counts.correct[i] == correct
            assert counts.reached[i, :n_stages].tolist() == reached
        assert not counts.reached[i, n_stages:].any()


def test_decide_on_by_hand_gives_labels_and_stages(tiny_pool):
    decision = decide_on(Cascade(members=("cheap", "dear"), thresholds=(0.55,)), tiny_pool)
    assert decision.stage.tolist() == [1, 2, 1, 2, 1, 2, 2, 1]
    assert decision.label.tolist() == [0, 1, 1, 0, 2, 2, 1, 0]
