"""The words of the protocol: tensors, metadata, Triton's model configuration, as values."""
