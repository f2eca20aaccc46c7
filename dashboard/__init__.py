"""The dashboard: one Streamlit page a question, over the measurement engine."""
