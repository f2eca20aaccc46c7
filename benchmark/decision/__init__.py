"""Recommend an endpoint from recorded evidence."""
