"""The dashboard: one Streamlit page per question, over the measurement engine."""
