"""What endpoints count about themselves at /metrics."""
