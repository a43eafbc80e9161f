"""Numbers that must be finite, and the sentence about a model that answers otherwise."""

from torch import Tensor

NAN_ANSWER = "The {} answers NaN: its files are damaged, copy them again."


def require_finite(values: Tensor, sentence: str) -> None:
    """ValueError with the sentence where one value is NaN or infinite."""
    if not values.isfinite().all():
        raise ValueError(sentence)
