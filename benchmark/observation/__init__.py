"""Single comparisons: one input to all endpoints at once, sent and timed by a process that does nothing else."""
