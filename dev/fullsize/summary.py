"""README's table of families, from the results of `make fullsize`."""

from __future__ import annotations

from pathlib import Path

from dev.bench.markdown import with_marked
from dev.fullsize.families import FAMILIES

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- families: written by `make fullsize` -->", "<!-- end of the families -->"
TRAIN, FUSE = "Train Concept LoRA", "Fuse Concept LoRAs"


def summary(results: dict) -> str:
    """One row per family: seconds of one CPU core, extrapolated GiB of GPU memory."""
    rows = [_row(name, results) for name in FAMILIES if all(name in results[kind] for kind in results)]
    return "\n".join(
        [
            "| family | width d | closed form of 100 concepts, s | extra MiB | one training "
            "step, s | fusion, s | "
            "GPU memory for training, GiB | in low memory mode, GiB |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def write(results: dict) -> None:
    README.write_text(with_marked(README.read_text(), BEGIN, END, summary(results)))


def _row(name: str, results: dict) -> str:
    closed, memory = results["closed_form"][name], results["memory"][name]
    step = _seconds(results, name, TRAIN) / 4  # two concepts, two steps
    kept, low = (
        (memory["weights"] + memory["modes"][mode]["extrapolated"]) / 1024 for mode in ("kept", "low memory")
    )
    seconds = closed["cpu_seconds"] - closed["encoding_seconds"]
    return (
        f"| {FAMILIES[name].name} | {closed['d']} | {seconds:.0f} | {closed['extra_mib']:,.0f} "
        f"| {step:.0f} | {_seconds(results, name, FUSE):.1f} | {kept:.1f} | {low:.1f} |"
    )


def _seconds(results: dict, name: str, stage: str) -> float:
    return next(
        row["cpu_seconds"] for row in results["stages"][name]["stages"] if row["stage"].startswith(stage)
    )
