"""Runs bundles with onnxruntime and measures how long that takes; needs no torch."""
