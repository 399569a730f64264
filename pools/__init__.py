"""Pools: the stored outputs of many classifiers on one split, and the files they lie in."""
