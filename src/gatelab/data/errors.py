"""What is wrong with the user's data."""


class DataError(ValueError):
    """Names the file, line or column that is wrong, what was expected, and what to do."""
