"""The tables of docs/results/{objects,styles,robustness}.md, and whether they are what the project set out to
show."""

from collections.abc import Mapping

from dev.bench.erasures import FULL, UNEDITED
from dev.mass.report import met
from dev.mass.report import row as row_of
from dev.results.plan import METHODS, PROBED

SETTING = """Written by `make results` from `{name}.json`: the bundled miniature Stable Diffusion and its
judge, the frozen split of `mini/splits.json`, the nodes' default settings, {images} pictures each
({steps} steps of {sampler}, CFG {cfg}), top-1 of the judge in percent. The prior names what is kept.
"""
WANTED_RELATIVE, WANTED_ABSOLUTE = 93, 88  # H_o
WANTED_STYLE, WANTED_OBJECTS = 15, 90


def objects(found: Mapping, setting: Mapping) -> str:
    """The paper's table 1 in small."""
    parts = ["# Ten classes, erased one at a time\n", SETTING.format(name="objects", **setting)]
    for method in METHODS:
        parts += [
            f"## {method}\n",
            "| | Acc_e | Acc_s | Acc_g | H_o | Acc_s before | H_o relative |",
            "|---|---|---|---|---|---|---|",
        ]
        parts += [row_of(name, *row.values()) for name, row in found[method].items()]
        parts.append("")
    average = found[FULL]["average"]
    for name, column, least in (
        ("relative", "h_o_relative", WANTED_RELATIVE),
        ("absolute", "h_o", WANTED_ABSOLUTE),
    ):
        parts.append(
            f"H_o of {FULL} on average, {name}: {average[column]:.1f}; at least {least} wanted: "
            f"{met(average[column], least)}.\n"
        )
    parts += [
        "![before and after, by the node Score Erasure](figure_5.png)\n",
        "![every word's attention, by the node View Attention](figure_2.png)\n",
    ]
    return "\n".join(parts)


def styles(found: Mapping, setting: Mapping) -> str:
    rows = ["# Styles, erased one at a time\n", SETTING.format(name="styles", **setting)]
    for method in METHODS:
        rows += [
            f"## {method}\n",
            f"| erased | drawn before | after | at most {WANTED_STYLE} | objects before | after "
            f"| at least {WANTED_OBJECTS} % of before | other styles before | after |",
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
        "# What brings an erased concept back\n",
        SETTING.format(name="robustness", **setting),
        f"By the node Probe Erasure: the share of an attack's pictures that show the concept, "
        f"mean over {', '.join(PROBED)}. Attacks that learn have {setting['learning']} steps. **Erasure is "
        "not deletion**: an attacker who may train brings a concept back.\n",
        "| attack | " + " | ".join(columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    rows += [row_of(attack, *(row[column] for column in columns)) for attack, row in found.items()]
    return "\n".join([*rows, ""])
