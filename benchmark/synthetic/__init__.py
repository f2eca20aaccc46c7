"""Runs whose truth is known: simulations, the demo, and one server measured against itself."""
