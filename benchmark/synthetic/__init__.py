"""Runs with known truth: simulations, the demo, and one server measured against itself."""
