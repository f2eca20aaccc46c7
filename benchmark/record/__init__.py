"""Runs, their plans and samples, and the record that stores them."""
