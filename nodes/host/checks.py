"""Checks that results are finite."""

from torch import Tensor

NAN_ANSWER = "The {} returned NaN or infinity: its files are damaged, so copy them again."


def require_finite(values: Tensor, sentence: str) -> None:
    """Raise ValueError with `sentence` if any value is NaN or infinite."""
    if not values.isfinite().all():
        raise ValueError(sentence)
