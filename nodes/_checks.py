"""Sentences that several nodes say before they start."""


def at_least(value, least, what: str):
    """For `validate_inputs`: True, or one sentence. None is a value that arrives on a wire later."""
    if value is None or value >= least:
        return True
    return f"{what} is {value}, but must be at least {least}: raise it."
