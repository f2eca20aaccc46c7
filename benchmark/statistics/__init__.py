"""From samples to intervals, and from intervals to a verdict with its sentences."""
