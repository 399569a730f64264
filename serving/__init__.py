"""Serves bundles: Triton model repositories, and a server of the same protocol."""
