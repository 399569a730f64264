"""From a chosen cascade to a bundle: ONNX members, one graph, a manifest, a proof."""
