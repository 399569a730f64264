"""The lists of models that a name stands for, as CSV files."""
