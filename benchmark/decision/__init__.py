"""Which endpoint to choose, by what the record knows."""
