"""The error of all that a user of `experiments` can do wrong."""


class ExperimentError(Exception):
    """Flags, rows or files cannot be used; the message is one line."""
