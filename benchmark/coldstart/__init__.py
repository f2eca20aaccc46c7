"""Measuring new instances: how to get one, what its start cost, and what that says."""
