"""The JSON Schemas of the files that this package reads and writes."""
