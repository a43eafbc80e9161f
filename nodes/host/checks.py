"""What several nodes check, and the sentences they say."""

from torch import Tensor


def at_least(value, least, what: str):
    """For `validate_inputs`: True, or one sentence. None is a value that arrives on a wire later."""
    if value is None or value >= least:
        return True
    return f"{what} is {value}, but must be at least {least}: raise it."


NAN_ANSWER = "The {} answers NaN: its files are damaged, copy them again."


def require_finite(values: Tensor, sentence: str) -> None:
    """ValueError with the sentence where one value is NaN or infinite."""
    if not values.isfinite().all():
        raise ValueError(sentence)


def listed(value) -> list:
    """An input of a node that takes lists whole, also where it is called with a plain value."""
    return value if isinstance(value, list) else [value]


def only(value, what: str):
    """The one value of such an input, which may be repeated."""
    first, *others = listed(value)
    if any(each is not first and each != first for each in others):
        raise ValueError(f"{what} came as a list of {len(others) + 1} that differ: connect one.")
    return first
