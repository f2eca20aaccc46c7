"""What the environments of the other servers run. It imports them, and nothing of ours."""
