"""Capacity runs: the highest rate at which each endpoint keeps its objectives."""

from benchmark.runs.capacity.run import KIND

__all__ = ["KIND"]
