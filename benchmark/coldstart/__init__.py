"""Measure cold starts: create new instances, time their first answers, and summarise them."""
