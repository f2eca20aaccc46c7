"""What is needed to put the two endpoints on the platform."""
