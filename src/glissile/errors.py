"""What goes wrong because of what came in, not because of the code."""


class InputError(ValueError):
    """A file, setting or selection that cannot be used.

    The message is one sentence for the person at the microscope: the thing, what is wrong with it, and
    what to do. The command line prints it and exits with 2; a dock shows it as a notification.
    """
