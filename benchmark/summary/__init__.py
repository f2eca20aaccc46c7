"""What a run of pairs or of load says."""
