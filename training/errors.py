"""What is wrong with the files that training is given."""


class TableError(ValueError):
    """A table, or what describes it, cannot be trained on; the message is one line that says why and what to do."""
