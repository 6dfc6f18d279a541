"""The one exception of this package.

A room of its own because every other room raises it, and none of them needs another for that.
"""


class ResultError(ValueError):
    """Results that can't be read, or a question that they can't answer.

    Its text is one line: which folder, file or column, what is wrong with it, what is allowed.
    """
