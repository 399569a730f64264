import numpy as np

from encas.evaluate.genome import cascades_of


def test_cascades_of_decoded_genes_have_names_and_decimals():
    members, thresholds = np.array([[1, 0, -1]]), np.array([[29, 7]])
    (cascade,) = cascades_of(members, thresholds, ["a", "b"])
    assert cascade.members == ("b", "a")
    assert cascade.thresholds == (0.58,)
