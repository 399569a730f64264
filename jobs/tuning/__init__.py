"""From a pool to measured cascades: search, measure, correct what is predicted, search again."""
