"""The deployment of the two endpoints and the dashboard."""
