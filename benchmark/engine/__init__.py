"""Measuring endpoints: the loops, their client, and the client itself under measurement."""
