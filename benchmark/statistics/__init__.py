"""From numbers to intervals, and from intervals to one claim."""
