"""Builds pools: runs models over data and stores what they answer, model by model."""
