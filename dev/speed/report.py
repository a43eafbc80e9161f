"""docs/results/bench.md: the tables of `make bench`."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence

from dev.bench.own_process import where
from dev.speed.aims import AIMS, Aim, Results

HEAD = """# Speed

`make bench` writes this page from `bench.json`. Each stage runs in turn with a straight implementation of
the same equations (`dev/speed/plain`): layer by layer, in float32, one concept at a time, with an inverse for
each layer, a VAE and a text encoder in each training step, and deep copies of the U-Net. Tests compare its
results with the pack's.

Seconds are CPU seconds: the median of several turns. Spread: the smallest and the largest ratio of two turns
that ran one after the other. Limit: what no implementation can go below on this machine, named for each
table. MiB: peak memory of the process above that before the call.
"""

WIDTH = 110
COMPARED = (
    ("straight, s", lambda row: number(row["plain"])),
    ("pack, s", lambda row: number(row["ours"])),
    ("times less", lambda row: number(row["ratio"])),
    ("spread", lambda row: " to ".join(map(number, row["spread"]))),
    ("limit, s", lambda row: number(row.get("limit"))),
    ("pack, times the limit", lambda row: row.get("limit") and f"{row['ours'] / row['limit']:.1f}"),
    ("pack, MiB", lambda row: number(row.get("mib"))),
    ("straight, MiB", lambda row: number(row.get("plain_mib"))),
)
SAMPLED = (
    ("step without, s", lambda row: number(row["step"])),
    ("step, to one without", lambda row: f"{row['ratio']:.3f}"),
    ("spread", lambda row: " to ".join(f"{each:.3f}" for each in row["spread"])),
    ("added, % of a step", lambda row: f"{row['added_percent']:.2f}"),
    ("once per prompt, % of a step", lambda row: f"{row['once_percent']:.2f}"),
)
STORED = (
    ("file, MiB", lambda row: number(row["mib"])),
    ("limit, MiB", lambda row: number(row["limit_mib"])),
    ("full differences, MiB", lambda row: number(row["difference_mib"])),
    ("whole U-Net, MiB", lambda row: number(row["u_net_mib"])),
    ("save, s", lambda row: number(row["save"])),
    ("load, s", lambda row: number(row["load"])),
)
STEPS = (
    ("s", lambda row: number(row["seconds"])),
    ("more at the peak, MiB", lambda row: number(row["mib"])),
    ("peak of the process, MiB", lambda row: number(row["peak_mib"])),
)
SECTIONS = {
    "closed_form": (
        "Stage 1: closed form",
        COMPARED,
        """Equation 2 without the time of the text encoder and of the gate. A person has 33 prompts and
        shares the surrogate with all others; an object has 35. The straight way is measured on one
        concept and one layer of each width, and multiplied. Limit: half a symmetric product over all
        tokens, one product per surrogate prompt, a Cholesky factor and a division, at the speed of large
        products in float64.""",
    ),
    "fusion": (
        "Stage 3: fusion",
        COMPARED,
        """Equation 7 for LoRAs of rank 1 on every projection, with the time of their matrices C. The
        straight way is measured as for stage 1. MiB: without the LoRAs themselves, whose C take 4.5 MiB
        each at d = 768 and 32 at d = 2048, which is why 1,000 are measured at d = 768 only. Limit: the
        tokens of every C, one pass over it, a Cholesky factor, three products, and two products per row
        of a LoRA.""",
    ),
    "training": (
        "Stage 2: a step of exact training",
        COMPARED,
        """SD1.5 in bfloat16. The straight step encodes image and prompt and runs the whole U-Net. Limit:
        the U-Net forward, twice, because a backward pass to the activations multiplies as much.""",
    ),
    "sampling": (
        "Sampling",
        SAMPLED,
        """SD1.5 in bfloat16, latents of 64 x 64, with guidance, and an erasure of 100 concepts.
        Offloaded: the host applies patches each time it uses a weight. Added: on the text projections,
        per step. Limit: a step without an erasure. A step varies by a percent from one turn to the next;
        what is added is therefore measured where it is added.""",
    ),
    "apply": (
        "Apply",
        COMPARED,
        """From an erasure of 100 concepts to a MODEL that is loaded, at the size of SD1.5. Limit: W T + U
        D of every layer, at the speed of large products in float32; a gated erasure changes no weight.""",
    ),
    "fingerprints": (
        "Fingerprints",
        COMPARED,
        "Straight: each node hashes. Limit: SHA-256 of the U-Net, once.",
    ),
    "files": (
        "Files",
        STORED,
        """Factors in float16, T and the gate in float32. Limit: the numbers alone, with a rank of at most
        the width of the layer. An erasure fits every checkpoint with this text encoder, a difference only
        one.""",
    ),
    "imports": (
        "Import",
        COMPARED,
        "Straight: peft and transformers' CLIP are imported at the start. The host has torch already.",
    ),
    "thousand": (
        "1,000 concepts from one list file",
        STEPS,
        "The nodes in a real host, on the miniature, with its text encoder; LoRAs with random factors.",
    ),
}


def tables(results: Results) -> str:
    """The whole page."""
    parts = [HEAD, _verdicts(results)]
    for name, (title, columns, note) in SECTIONS.items():
        if name in results:
            parts.append(_section(results[name], title, columns, note))
    if missing := [name for name in SECTIONS if name not in results]:
        parts.append(f'Not measured yet: `make bench BENCH="{" ".join(missing)}"`.\n')
    return "\n".join(parts)


def _verdicts(results: Results) -> str:
    rows = [_verdict(aim, value) for aim in AIMS if (value := aim.value(results)) is not None]
    return _table(("what", "aim", "measured", "aim reached", "bound", "bound kept"), rows)


def _verdict(aim: Aim, value: float) -> list[str]:
    side = "at most" if aim.most else "at least"
    answers = ["yes" if aim.reaches(value, each) else "**no**" for each in (aim.aim, aim.bound)]
    return [aim.what, f"{side} {aim.aim:g}", number(value), answers[0], f"{side} {aim.bound:g}", answers[1]]


def _section(found: Mapping, title: str, columns: Sequence[tuple[str, Callable]], note: str) -> str:
    used = [
        (name, cell) for name, cell in columns if any(cell(row) not in ("", None) for row in found["rows"])
    ]
    rows = [[row["case"], *(cell(row) or "" for _, cell in used)] for row in found["rows"]]
    table = _table(("", *(name for name, _ in used)), rows)
    said = textwrap.fill(f"{' '.join(note.split())} {where(found['machine'])}.", WIDTH)
    return f"## {title}\n\n{said}\n\n{table}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def number(value: float | None) -> str:
    """Three digits; empty without a value."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
