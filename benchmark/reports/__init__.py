"""Runs as files for others."""
