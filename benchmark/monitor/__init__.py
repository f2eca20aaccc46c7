"""What endpoints count of themselves at /metrics."""
