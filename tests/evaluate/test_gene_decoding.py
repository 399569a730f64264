import numpy as np

from encas.evaluate.gene_decoding import decode_into


def test_decoded_rows_are_independent_of_each_other():
    genomes = np.array([[3, 0, 5, 10, 20], [0, 0, 0, 10, 20], [1, 2, 1, 7, 8]])
    members, thresholds = np.full((3, 3), -1), np.zeros((3, 2), np.int64)
    decode_into(genomes, members, thresholds)
    assert members.tolist() == [[2, 4, -1], [-1, -1, -1], [0, 1, -1]]
    assert thresholds.tolist() == [[20, 0], [0, 0], [7, 0]]
