"""Whom is asked, and how what one answers is read."""
