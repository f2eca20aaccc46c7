"""The commands of `python -m benchmark`, a module each: `configure(parser)` says what it takes, `run(...)` does it.

`run` returns the exit status and raises UsageError for what the parser cannot know.
"""


class UsageError(Exception):
    """What was asked for makes no sense or cannot be done; the message says why and what to do."""
