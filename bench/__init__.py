"""Measurements; `scripts/bench` runs them. docs/benchmarks.md shows their results."""
