"""The measurement engine: what was sent, what came back, how long it took, and the record of it.

Knows the endpoints only by their contract over HTTP, and neither Streamlit nor pandas.
"""
