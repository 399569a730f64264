"""Where models and data come from: SPEC and DATA strings, and what they cost."""
