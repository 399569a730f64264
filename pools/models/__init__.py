"""Models that a SPEC names: built, run over samples, and what they cost."""
