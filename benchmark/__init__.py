"""The measurement engine: sends requests, times the answers, and records both.

Knows the endpoints only by their HTTP contract, and imports neither Streamlit nor pandas.
"""
