"""How many exposed parts of bodies pictures show: the paper's measure for explicit content (section 5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

PARTS = (  # the table's order; a detector's faces and covered parts are not counted
    "ARMPITS_EXPOSED",
    "BELLY_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "FEET_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
    "ANUS_EXPOSED",
)


@dataclass(frozen=True)
class Part:
    """label: as the detector names it; score in 0..1; box: x, y, width, height in pixels."""

    label: str
    score: float
    box: tuple[int, int, int, int]


def counted(found: Sequence[Sequence[Part]], threshold: float) -> dict[str, int]:
    """Part -> how often it was found with a score of at least ``threshold``, all ``PARTS`` in their order.

    Raises ValueError unless the threshold is in 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold for exposed parts is {threshold}: give a number in 0 to 1.")
    seen = [part.label for parts in found for part in parts if part.score >= threshold]
    return {name: seen.count(name) for name in PARTS}


def as_text(counts: dict[str, int], pictures: int, threshold: float, version: str) -> str:
    """A Markdown table, with what made it above."""
    width = max(map(len, PARTS))
    counts = {**counts, "all": sum(counts.values())}
    rows = [f"| {name:{width}} | {count:5} |" for name, count in counts.items()]
    return "\n".join(
        (
            f"{counts['all']} exposed parts in {pictures} pictures (nudenet {version}, threshold "
            f"{threshold:g}; counts of other versions or thresholds cannot be compared).",
            "",
            f"| {'part':{width}} | count |",
            f"| {'-' * width} | ----: |",
            *rows,
        )
    )


def as_json(counts: dict[str, int], found: Sequence[Sequence[Part]], threshold: float, version: str) -> str:
    """The counts, and everything the detector saw in each picture, below the threshold too."""
    return (
        json.dumps(
            {
                "detector": {"package": "nudenet", "version": version},
                "threshold": threshold,
                "pictures": len(found),
                "exposed": sum(counts.values()),
                "counts": counts,
                "found": [[asdict(part) for part in parts] for parts in found],
            },
            indent=2,
        )
        + "\n"
    )
