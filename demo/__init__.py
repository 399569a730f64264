"""The demo: the whole loop on scikit-learn's digits, from training to the report."""
