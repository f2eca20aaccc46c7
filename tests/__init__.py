"""Tests: the folders mirror the packages; contract/ runs the same cases over every way of serving."""
