"""From requests to USD."""
