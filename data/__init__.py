"""Data sets and images: what a DATA string names, as samples and labels."""
