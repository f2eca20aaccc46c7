"""Reports, exports and imports of runs."""
