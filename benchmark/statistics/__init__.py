"""From samples to intervals, and from intervals to a verdict in words."""
