"""The use cases: what commands, demo, benchmarks and Python users call."""
