"""Evaluators: how many samples a cascade gets right, and how far they go, exactly."""
