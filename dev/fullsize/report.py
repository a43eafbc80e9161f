"""docs/results/fullsize.md: the tables of `make fullsize`."""

from __future__ import annotations

from collections.abc import Iterator

from dev.bench.own_process import where
from dev.fullsize.families import FAMILIES

HEAD = """# Full-size models

`make fullsize` writes this page from `fullsize.json`. The weights are random: this page is about shapes,
memory, time and file formats, never about quality. ComfyUI's own classes build the models at full size, text
encoders and VAE included, and the pack's nodes edit them. U-Nets are stored and computed in bfloat16, which
takes as many bytes as float16 on a GPU; CPUs of this kind compute it much faster than float16.
"""
CARD = 8 * 1024  # MiB


def tables(results: dict) -> str:
    parts = [HEAD]
    for name, family in FAMILIES.items():
        if name in results["stages"]:
            parts.append(_stages(family, results["stages"][name]))
    if results["memory"]:
        parts.append(_memory(results["memory"]))
    if results["fast_memory"]:
        parts.append(_fast_memory(results["fast_memory"]))
    if results["closed_form"]:
        parts.append(_closed_form(results["closed_form"]))
    if results["once"]:
        parts.append(_once(results["once"]))
    return "\n".join(parts)


def _stages(family, measured: dict) -> str:
    rows = [
        f"| {row['stage']} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} | {row['rss_before']:,.0f} "
        f"| {row['rss_peak']:,.0f} |"
        for row in measured["stages"]
    ]
    smaller = "" if measured["side"] == family.pixels else f", smaller than the family's {family.pixels}"
    files = [f"| {name} | {size:,.2f} |" for name, size in measured["files"].items()]
    return "\n".join(
        [
            f"## {family.name}: stages and files",
            "",
            f"Images of {measured['side']} x {measured['side']} pixels{smaller}; U-Net of "
            f"{measured['model_mib']:,} MiB.",
            f"{where(measured['machine'])}.",
            "",
            "| stage | seconds | CPU seconds | resident memory before, MiB | peak resident memory, MiB |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "| file | MiB |",
            "|---|---|",
            *files,
            "",
        ]
    )


def _memory(measured: dict) -> str:
    rows = [f"{head} | {peaks['estimate']:,} | {tail} |" for head, peaks, tail in _peaks(measured)]
    return "\n".join(
        [
            "## Memory of a training step",
            "",
            "Peak that torch allocates beyond the weights for one image, measured on a CPU with torch's",
            "profiler at two sizes of the latent, then **extrapolated linearly** in the latent's area to the",
            "family's own size; no GPU was used. Activations are kept for the backward pass, or recomputed\n"
            "(low memory); the pack chooses by its estimate. Total: extrapolated peak plus weights. The last",
            "column says whether the total fits into 90 % of 8 GiB.",
            "",
            "| family | activations | latent side: measured MiB | extrapolated | estimate | weights | total "
            "| fits 8 GiB |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _fast_memory(measured: dict) -> str:
    rows = [f"{head} | {tail} |" for head, _, tail in _peaks(measured)]
    return "\n".join(
        [
            "## Memory of the fast trainer",
            "",
            "Measured in the same way, but in float32: a GPU in half precision needs less. The samples go",
            "through the U-Net one by one, as in the pack, or all at once, as in an earlier version.",
            "",
            "| family | samples | latent side: measured MiB | extrapolated | weights | total | fits 8 GiB |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _peaks(measured: dict) -> Iterator[tuple[str, dict, str]]:
    """Per row: the cells up to the extrapolated peak, the measured values, the cells about a GPU."""
    for name, family in _in_order(measured):
        for mode, peaks in family["modes"].items():
            sizes = ", ".join(f"{side}: {peak:,}" for side, peak in peaks["measured"].items())
            total = family["weights"] + peaks["extrapolated"]
            fits = "yes" if total < CARD * 0.9 else "no"
            yield (
                f"| {FAMILIES[name].name} | {mode} | {sizes} | {peaks['own_side']}: "
                f"{peaks['extrapolated']:,}",
                peaks,
                f"{family['weights']:,} | {total:,} | {fits}",
            )


def _once(measured: dict) -> str:
    rows = []
    for name, row in _in_order(measured):
        copied, hashed, prior = row["copied_mib"], row["fingerprint_seconds"], row["prior"]
        rows.append(
            f"| {FAMILIES[name].name} | {copied['each layer']:,.0f} | {copied['once']:,.1f} | "
            f"{hashed['each node']:.1f} | {hashed['once']:.1f} | {prior['float64']:.1f} | "
            f"{prior['float32 blocks']:.1f} | {prior['difference']:.1g} |"
        )
    return "\n".join(
        [
            "## Work that is done only once",
            "",
            "- **T**: MiB copied to a device each time an erased MODEL is loaded (at each step, if weights",
            "  are offloaded): per layer, as in an earlier version, or once.",
            "- **Hash**: seconds to fingerprint the U-Net for three nodes of a workflow: each time, as in\n"
            "  an earlier version, or once.",
            "- **Products**: CPU seconds for the products of 256 captions of a prior, in float64 (used on",
            "  a CPU) or in float32 blocks with float64 sums (used on a GPU), and the relative difference\n"
            "  of the sums.",
            "",
            "| family | T, per layer | T, once | hash, each time | hash, once "
            "| products, float64 | products, float32 | difference |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _closed_form(measured: dict) -> str:
    rows = [
        f"| {FAMILIES[name].name} | {row['d']} | {row['concepts']} | {row['pairs']:,} | "
        f"{row['prompts']:,} | {row['cpu_seconds'] - row['encoding_seconds']:.1f} | {row['threads']} | "
        f"{row['cpu_seconds_per_core']:.1f} | {row['extra_mib']:,.0f} |"
        for name, row in _in_order(measured)
    ]
    return "\n".join(
        [
            "## Closed form of 100 concepts",
            "",
            "Stage 1 with real tokens and random embeddings, without the time of the text encoder. The",
            "concepts are people with the same surrogate, whose prompts are encoded only once.",
            "",
            "| family | d | concepts | pairs | prompts | CPU seconds | threads | per thread | extra MiB |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _in_order(measured: dict) -> list:
    return [(name, measured[name]) for name in FAMILIES if name in measured]
