"""How many exposed body parts images show: the paper's measure for explicit content (section 5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..files.records import Record

PARTS = (  # in the order of the table; faces and covered parts are not counted
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
class Part(Record):
    """label: the detector's name of the part; score: in 0..1; box: x, y, width, height in pixels."""

    label: str
    score: float
    box: tuple[int, ...]


def counted(found: Sequence[Sequence[Part]], threshold: float) -> dict[str, int]:
    """Part -> how often it was found with a score of at least ``threshold``; all ``PARTS`` in their order.

    Raises ValueError if the threshold is outside 0..1.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold for exposed parts is {threshold}: give a number from 0 to 1.")
    seen = [part.label for parts in found for part in parts if part.score >= threshold]
    return {name: seen.count(name) for name in PARTS}


def as_text(counts: Mapping[str, int], images: int, threshold: float, version: str) -> str:
    """The counts as a Markdown table, below the settings they belong to."""
    width = max(map(len, PARTS))
    counts = {**counts, "all": sum(counts.values())}
    rows = [f"| {name:{width}} | {count:5} |" for name, count in counts.items()]
    return "\n".join(
        (
            f"{counts['all']} exposed parts in {images} images (nudenet {version}, threshold "
            f"{threshold:g}; not comparable with other versions or thresholds).",
            "",
            f"| {'part':{width}} | count |",
            f"| {'-' * width} | ----: |",
            *rows,
        )
    )


def as_json(
    counts: Mapping[str, int], found: Sequence[Sequence[Part]], threshold: float, version: str
) -> str:
    """The counts, and every detection in each image, including those below the threshold."""
    return (
        json.dumps(
            {
                "detector": {"package": "nudenet", "version": version},
                "threshold": threshold,
                "pictures": len(found),
                "exposed": sum(counts.values()),
                "counts": dict(counts),
                "found": [[part.to_json() for part in parts] for parts in found],
            },
            indent=2,
        )
        + "\n"
    )
