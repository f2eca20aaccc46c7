"""Runs whose truth is known: simulated, for the demo, or against oneself."""
