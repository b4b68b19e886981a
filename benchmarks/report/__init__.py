"""Writes the tables and charts of docs/performance.md from the results in benchmarks/results."""
