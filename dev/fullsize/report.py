"""The tables of `make fullsize`, written from what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from dev.fullsize.families import FAMILIES

HEAD = """# Models of full size

Written by `make fullsize` from `fullsize.json`. The weights are random: this is about shapes, memory, seconds
and file formats, never about quality. The models are built by the host's own classes at their full size, text
encoders and VAE included, and go through the pack's nodes. U-Nets are stored and calculated in bfloat16, as
many bytes as float16 on a card; processors of this kind calculate it much faster than float16.
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
    smaller = "" if measured["side"] == family.pixels else f", smaller than the family's own {family.pixels}"
    files = [f"| {name} | {size:,.2f} |" for name, size in measured["files"].items()]
    return "\n".join(
        [
            f"## {family.name}: every stage and every file",
            "",
            f"Pictures of {measured['side']} x {measured['side']} pixels{smaller}; U-Net of "
            f"{measured['model_mib']:,} MiB.",
            f"{_where(measured)}.",
            "",
            "| stage | seconds | seconds of CPU | resident before, MiB | resident at most, MiB |",
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
            "Allocated by torch at most, beside the weights, counted on the CPU by torch's profiler for one",
            "image at two sizes of the latent, and **extrapolated on a line** to the "
            "family's own size; no card",
            "was used. 'kept' keeps activations for the backward pass, 'low memory' "
            "calculates them again; the",
            "pack chooses by its estimate. The last column: whether both fit into 90 % of 8 GiB.",
            "",
            "| family | activations | measured, MiB | extrapolated | estimate | weights | together | 8 GiB |",
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
            "Measured as above, but computed in float32, so a card in half precision holds "
            "less: its samples one",
            "by one, as the pack runs them, and all of them in one pass of the network, as it did before.",
            "",
            "| family | samples | measured, MiB | extrapolated | weights | together | 8 GiB |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _peaks(measured: dict) -> Iterator[tuple[str, dict, str]]:
    """The cells of a row up to the extrapolated peak, what was measured, and the cells about a card."""
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
            "## Work that is done once",
            "",
            "T brought to a device, in MiB, at each load of an erased MODEL (and at each step where weights",
            "are offloaded): for each layer, as before, and once. Seconds to fingerprint the U-Net for three",
            "nodes of a graph: each time, as before, and once. Seconds of CPU for the "
            "products of 256 captions",
            "of a prior, in float64 (what a processor does) and in float32 blocks with "
            "float64 sums (what a card",
            "does), and how far the sums are apart.",
            "",
            "| family | T, each layer | T, once | hashed each time | hashed once | float64 | "
            "float32 | apart |",
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
            "## The closed form of a hundred concepts",
            "",
            "Stage 1 with real tokens and random embeddings: what comes after the text "
            "encoder. People with one",
            "surrogate, whose prompts are encoded once.",
            "",
            "| family | d | concepts | pairs | prompts | seconds of CPU | threads | per thread | extra MiB |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def _in_order(measured: dict) -> list:
    return [(name, measured[name]) for name in FAMILIES if name in measured]


def _where(measured: dict) -> str:
    machine = measured["machine"]
    return (
        f"{machine['processor']}, {machine['threads']} of {machine['cores']} cores, torch {machine['torch']}"
    )
