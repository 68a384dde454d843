"""The error of files of weights."""


class WeightsError(ValueError):
    """Weights cannot be read, are of another network, or cannot be written; the message says what to do."""

    exit_code = 4  # of the scripts, as for checkpoints
