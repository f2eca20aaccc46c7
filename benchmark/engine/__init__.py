"""Measure endpoints: the load loops, their client, and the client's own overhead."""
