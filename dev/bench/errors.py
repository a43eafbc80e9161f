"""Standard errors, and which differences count.

Images of one concept share a prompt and resemble each other, so the concepts are the sample, not the images:
an error is one standard error of the mean over concepts. A single concept has none.
"""

from collections.abc import Mapping, Sequence
from statistics import stdev

from dev.bench.bench import mean

APART = 2  # standard errors
Shares = Mapping[str, float]


def error(values: Sequence[float]) -> float:
    """The standard error of the mean over concepts; 0 for a single one."""
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0


def apart(difference: float, error: float) -> bool:
    """Whether a difference is at least `APART` errors; without an error nothing can be said."""
    return error > 0 and abs(difference) >= APART * error


def paired(one: Shares, other: Shares) -> dict[str, float]:
    """The mean difference of the same concepts in two runs, and its standard error, in percent."""
    differences = [100 * (one[name] - other[name]) for name in one]
    return {"difference": mean(differences), "error": error(differences)}


def share_of_before(after: Shares, before: Shares, names: Sequence[str]) -> tuple[float, float]:
    """Images that show the concepts in percent of the original model's, at most 100, and the standard error,
    in points of all images."""
    was = mean(before[name] for name in names)
    changes = [100 * (after[name] - before[name]) for name in names]
    return min(100.0, 100 * mean(after[name] for name in names) / was), error(changes)
