"""The error that means: the input is wrong, and here is what to do about it."""


class BadInput(ValueError):
    """Item rows, or a study folder, that cannot be analysed; the message names the way out."""
