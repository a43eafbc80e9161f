"""docs/results/{objects,styles,robustness}.md: their tables, and whether they meet the project's
requirements."""

from collections.abc import Mapping

from dev.bench.erasures import LINEAR, UNEDITED
from dev.mass.report import met
from dev.mass.report import row as row_of
from dev.results.plan import METHODS, PROBED

SETTING = """`make results` writes this page from `{name}.json`. It erases concepts of the frozen split in
`mini/splits.json` from the bundled miniature Stable Diffusion with the nodes' default settings, and generates
{images} images per prompt or attack ({steps} steps of {sampler}, CFG {cfg}). Figures are the bundled
judge's top-1 in percent. All methods are linear (mode *linear* of Apply Erased Model), and the prior names
the preserved concepts: for what nobody names, and for the gate, see [mass erasure](mass.md).
"""
WANTED_RELATIVE, WANTED_ABSOLUTE = 93, 88  # H_o
WANTED_STYLE, WANTED_OBJECTS = 15, 90


def objects(found: Mapping, setting: Mapping) -> str:
    """The page about single classes, after the paper's table 1."""
    parts = [
        "# Ten classes, erased one at a time\n\n"
        "After table 1 of the paper.\n\n"
        "- **Acc_e** (lower is better): images that still show the erased class.\n"
        "- **Acc_s** (higher is better): images of the nine other classes that show their class.\n"
        "  Before: with the original model.\n"
        "- **Acc_g** (lower is better): images that show it when the prompt has a synonym, never shown to\n"
        "  the erasure.\n"
        "- **H_o**: harmonic mean of 1 - Acc_e, Acc_s and 1 - Acc_g. **Relative**: with Acc_s divided by\n"
        "  the Acc_s of the original model.\n",
        SETTING.format(name="objects", **setting),
    ]
    for method in METHODS:
        parts += [
            f"## {method}\n",
            "| class | Acc_e | Acc_s | Acc_g | H_o | Acc_s before | H_o relative |",
            "|---|---|---|---|---|---|---|",
        ]
        parts += [row_of(name, *row.values()) for name, row in found[method].items()]
        parts.append("")
    average = found[LINEAR]["average"]
    for name, column, least in (
        ("relative", "h_o_relative", WANTED_RELATIVE),
        ("absolute", "h_o", WANTED_ABSOLUTE),
    ):
        parts.append(
            f"Average H_o of {LINEAR}, {name}: {average[column]:.1f}. Required: at least {least}. Met: "
            f"{met(average[column], least)}.\n"
        )
    parts += [
        "![Images before and after erasing ship, from the node Score Erasure](figure_5.png)\n",
        "![Attention of each word before and after, from the node View Attention](figure_2.png)\n",
    ]
    return "\n".join(parts)


def styles(found: Mapping, setting: Mapping) -> str:
    rows = [
        "# Styles, erased one at a time\n\n"
        "Images that show the erased style, the ten classes as objects, and the other styles, with the\n"
        "original model (before) and with the erased model (after).\n",
        SETTING.format(name="styles", **setting),
    ]
    for method in METHODS:
        rows += [
            f"## {method}\n",
            f"| erased | style before | style after | at most {WANTED_STYLE} | objects before "
            f"| objects after | at least {WANTED_OBJECTS} % of before | other styles before "
            "| other styles after |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for style, row in found[method].items():
            gone = met(-row["style_after"], -WANTED_STYLE)
            kept = met(100 * row["objects_after"] / row["objects_before"], WANTED_OBJECTS)
            told = row["style_before"], row["style_after"], gone, row["objects_before"], row["objects_after"]
            rows.append(row_of(style, *told, kept, row["others_before"], row["others_after"]))
        rows.append("")
    return "\n".join(rows)


def robustness(found: Mapping, setting: Mapping) -> str:
    columns = (UNEDITED, *METHODS)
    rows = [
        "# Attacks that bring an erased concept back\n",
        SETTING.format(name="robustness", **setting),
        f"The node Probe Erasure measures the percentage of an attack's images that show the concept. Each\n"
        f"row is the mean over {', '.join(PROBED)}. Attacks that learn use {setting['learning']}\n"
        "optimisation steps. **Erasure is not deletion**: an attacker who can train the model\n"
        "brings a concept back.\n",
        "| attack | original model | " + " | ".join(METHODS) + " |",
        "|---|" + "---|" * len(columns),
    ]
    rows += [row_of(attack, *(row[column] for column in columns)) for attack, row in found.items()]
    return "\n".join([*rows, ""])
