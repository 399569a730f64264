import numpy as np

from encas.evaluate.genome import cascades_of
from encas.evaluate.threshold_grid import THRESHOLDS, threshold_of


def test_thresholds_of_all_genes_are_the_same_float32():
    assert all(np.float32(threshold_of(g)) == THRESHOLDS[g] for g in range(51))
    assert THRESHOLDS[50] == 1


def test_cascades_of_decoded_genes_have_names_and_decimals():
    members, thresholds = np.array([[1, 0, -1]]), np.array([[29, 7]])
    (cascade,) = cascades_of(members, thresholds, ["a", "b"])
    assert cascade.members == ("b", "a")
    assert cascade.thresholds == (0.58,)
