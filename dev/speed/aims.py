"""What each stage should reach, and the bound that `make bench` fails at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Any]  # section -> its result


@dataclass(frozen=True)
class Aim:
    """section: whose result is read; measured: its result -> a number; aim, bound: at least these numbers, or
    at most if `most`."""

    what: str
    section: str
    measured: Callable[[Any], float]
    aim: float
    bound: float
    most: bool = False

    def value(self, results: Results) -> float | None:
        """None if the section has not been measured."""
        return self.measured(results[self.section]) if self.section in results else None

    def reaches(self, value: float, number: float) -> bool:
        return value <= number if self.most else value >= number


def _row(found: Mapping, **wanted: Any) -> Mapping:
    """The first row with these values."""
    return next(row for row in found["rows"] if all(row.get(name) == value for name, value in wanted.items()))


def ratio(**wanted: Any) -> Callable[[Mapping], float]:
    return lambda found: _row(found, **wanted)["ratio"]


def growth(d: int, few: int = 10, many: int = 1000) -> Callable[[Mapping], float]:
    """CPU per concept in a long list, relative to a short one."""

    def measured(found: Mapping) -> float:
        each = [_row(found, d=d, concepts=count)["ours"] / count for count in (few, many)]
        return each[1] / each[0]

    return measured


def worst(field: str, *words: str) -> Callable[[Mapping], float]:
    """The largest value among the rows whose case has all the words."""
    return lambda found: max(
        row[field] for row in found["rows"] if all(word in row["case"] for word in words)
    )


AIMS = (
    Aim("stage 1, 100 concepts, d = 768: times less CPU", "closed_form", ratio(d=768, concepts=100), 30, 30),
    Aim(
        "stage 1, 100 concepts, d = 2048: times less CPU", "closed_form", ratio(d=2048, concepts=100), 30, 30
    ),
    Aim("stage 1, d = 768: CPU per concept, 1,000 to 10", "closed_form", growth(768), 1, 1.15, most=True),
    Aim("stage 1, d = 2048: CPU per concept, 1,000 to 10", "closed_form", growth(2048), 1, 1.15, most=True),
    Aim("stage 3, 100 LoRAs, d = 768: times less CPU", "fusion", ratio(d=768, concepts=100), 30, 30),
    Aim("stage 3, 100 LoRAs, d = 2048: times less CPU", "fusion", ratio(d=2048, concepts=100), 30, 30),
    Aim("stage 3, d = 768: CPU per LoRA, 1,000 to 10", "fusion", growth(768), 1, 1.15, most=True),
    Aim("exact training alone: times faster", "training", lambda found: found["rows"][0]["ratio"], 1.5, 1.3),
    Aim(
        "exact training in a batch, to alone: times faster",
        "training",
        lambda found: found["batch_gain"],
        1,
        0.95,
    ),
    Aim("gated: percent added to a step", "sampling", worst("added_percent", "gated"), 1, 1, most=True),
    Aim("gated: step, to one without", "sampling", worst("ratio", "gated"), 1.01, 1.05, most=True),
    Aim(
        "linear, resident: percent added",
        "sampling",
        worst("added_percent", "resident: linear"),
        1,
        1,
        most=True,
    ),
    Aim(
        "linear, offloaded: percent added",
        "sampling",
        worst("added_percent", "offloaded: linear"),
        1,
        10,
        most=True,
    ),
    Aim("fingerprint, 3 nodes: times less CPU", "fingerprints", ratio(), 2.5, 2),
    Aim(
        "file of 100 concepts, SD1.5: MiB",
        "files",
        lambda found: _row(found, case="100 concepts, SD1.5")["mib"],
        16,
        16,
        most=True,
    ),
    Aim(
        "import of the pack's file: s", "imports", lambda found: found["rows"][0]["ours"], 0.1, 0.1, most=True
    ),
    Aim("import of all nodes: s", "imports", lambda found: found["rows"][1]["ours"], 0.1, 0.2, most=True),
    Aim("1,000 concepts: MiB of stage 1 and fusion", "thousand", worst("mib", "e"), 500, 1000, most=True),
    Aim(
        "1,000 concepts: another prompt has the same bits",
        "thousand",
        lambda found: found["equal"]["something else"],
        1,
        1,
    ),
)


def broken(results: Results) -> list[str]:
    """What is beyond its bound, in words."""
    return [
        f"{aim.what}: {value:.4g}, but the bound is {aim.bound:g}"
        for aim in AIMS
        if (value := aim.value(results)) is not None and not aim.reaches(value, aim.bound)
    ]
