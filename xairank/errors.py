"""The one error a user can cause: reported in one line, exit status 2."""


class UserError(Exception):
    """Something only the user can fix.

    The message is one line: the file or key, what was found, what was expected and what to do.
    Commands print it without a stack trace and exit with status 2 (see :func:`xairank.console.command`).
    """
