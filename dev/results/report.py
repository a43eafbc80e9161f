"""docs/results/{objects,styles,robustness,related}.md: their tables, and whether they meet the project's
requirements. A page of older figures lacks some; its cells are empty, and its note says why."""

from collections.abc import Mapping

from dev.bench.erasures import EXACT, FULL, HARDENED, LINEAR, UNEDITED
from dev.bench.errors import APART, apart
from dev.bench.markdown import row, with_error
from dev.mass.report import met
from dev.miniature.splits import NARROWER
from dev.results.plan import COLOURS, FIRST, FORMS, METHODS, PROBED

SETTING = """`make results` writes this page from `{name}.json`. It erases concepts of the frozen split in
`mini/splits.json` from the bundled miniature Stable Diffusion with the nodes' default settings, and generates
{images} images per prompt or attack ({steps} steps of {sampler}, CFG {cfg}, on {device}).
Figures are the bundled judge's top-1 in percent, with one standard error over the concepts: images of one
concept resemble each other, so the concepts are the sample. A single concept has no such error, and an error
of 0 means that all concepts agree, not that the figure is exact.

**MACE, gated** is what users get. **MACE, linear**, as exports are, is the same erasure with mode *linear* of
Apply Erased Model. UCE is linear too.
"""
TITLES = {
    FULL: "MACE, gated (default)",
    HARDENED: "MACE, gated and hardened",
    LINEAR: "MACE, linear (for export)",
    EXACT: "MACE, linear, exact trainer",
}
WANTED_RELATIVE, WANTED_ABSOLUTE = 93, 88  # H_o
WANTED_STYLE, WANTED_OBJECTS, WANTED_NEVER = 15, 90, 95
SIDES = ("never", "keep", "erase")  # in the order of the columns
COMPARED = {"never": "never named", "acc_e": "Acc_e", "acc_s": "Acc_s", "acc_g": "Acc_g"}


def objects(found: Mapping, setting: Mapping) -> str:
    """The page about single classes, after the paper's table 1."""
    parts = [
        "# Ten classes, erased one at a time\n\n"
        "After table 1 of the paper.\n\n"
        "- **Never named** (higher is better): images of thirty objects that are neither erased nor in the\n"
        "  prior, and that no default was tuned on, as a share of the original model's.\n"
        "- **Acc_e** (lower is better): images that still show the erased class.\n"
        "- **Acc_s** (higher is better): images of the nine other classes, which the prior names, that show\n"
        "  their class. Before: with the original model.\n"
        "- **Acc_g** (lower is better): images that show it when the prompt has a synonym, never shown to\n"
        "  the erasure.\n"
        "- **H_o**: harmonic mean of 1 - Acc_e, Acc_s and 1 - Acc_g. **Relative**: with Acc_s divided by\n"
        "  the Acc_s of the original model.\n",
        *_setting("objects", found, setting),
    ]
    for method, rows in found["methods"].items():
        parts += [
            f"## {_title(method)}\n",
            "| class | never named | Acc_e | Acc_s | Acc_g | H_o | Acc_s before | H_o relative |",
            "|---|---|---|---|---|---|---|---|",
        ]
        parts += [
            row(
                name,
                *(with_error(each, column) for column in COMPARED),
                each["h_o"],
                each["acc_s_before"],
                each["h_o_relative"],
            )
            for name, each in rows.items()
        ]
        parts.append("")
    parts += _compared(found) + _required(found)
    parts += [
        "![Images before and after erasing ship, from the node Score Erasure](figure_5.png)\n",
        "![Attention of each word before and after, from the node View Attention](figure_2.png)\n",
    ]
    return "\n".join(parts)


def _compared(found: Mapping) -> list[str]:
    """How the methods differ from the default, and which differences count."""
    if not found.get("compared"):
        return []
    rows = [
        f"## Against the default\n\nDifferences from {_title(FULL)}, on the same concepts. Those in bold are "
        f"at least\n{APART} standard errors from 0; the others cannot be told from chance.\n",
        "| method | " + " | ".join(COMPARED.values()) + " |",
        "|---|" + "---|" * len(COMPARED),
    ]
    for method, columns in found["compared"].items():
        rows.append(row(_title(method), *(_difference(columns[column]) for column in COMPARED)))
    return [*rows, ""]


def _difference(each: Mapping[str, float]) -> str:
    said = f"{each['difference']:+.1f} \u00b1 {each['error']:.1f}"
    return f"**{said}**" if apart(each["difference"], each["error"]) else said


def _required(found: Mapping) -> list[str]:
    default = next(method for method in FORMS if method in found["methods"])
    average = found["methods"][default]["average"]
    return [
        f"Average H_o of {_title(default)}, {name}: {average[column]:.1f}. Required: at least {least}. Met: "
        f"{met(average[column], least)}.\n"
        for name, column, least in (
            ("relative", "h_o_relative", WANTED_RELATIVE),
            ("absolute", "h_o", WANTED_ABSOLUTE),
        )
    ]


def styles(found: Mapping, setting: Mapping) -> str:
    """The page about single styles."""
    parts = [
        "# Styles, erased one at a time\n\n"
        "Images that show their object or style with the erased model, as a share of the original model's:\n"
        "thirty objects and two styles that nobody names, and the ten classes and two styles in the prior.\n"
        "Four times as many images per style. Images that show the erased style are a share of all.\n",
        *_setting("styles", found, setting),
    ]
    for method, rows in found["methods"].items():
        parts += [
            f"## {_title(method)}\n",
            f"| erased | objects never named | styles never named | both at least {WANTED_NEVER} "
            f"| erased style before | after | at most {WANTED_STYLE} | named objects "
            f"| at least {WANTED_OBJECTS} | named styles |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for style, each in rows.items():
            never = [each[name] for name in ("never", "never_styles") if name in each]
            parts.append(
                row(
                    style,
                    with_error(each, "never"),
                    with_error(each, "never_styles"),
                    met(min(never), WANTED_NEVER) if never else "",
                    each["style_before"],
                    each["style_after"],
                    met(-each["style_after"], -WANTED_STYLE),
                    with_error(each, "named"),
                    met(each["named"], WANTED_OBJECTS),
                    with_error(each, "named_styles"),
                )
            )
        parts.append("")
    return "\n".join(parts)


def robustness(found: Mapping, setting: Mapping) -> str:
    """The page about attacks."""
    methods = [method for method in METHODS if any(method in each for each in found["attacks"].values())]
    columns = (UNEDITED, *methods)
    rows = [
        "# Attacks that bring an erased concept back\n",
        *_setting("robustness", found, setting),
        f"The node Probe Erasure measures the percentage of an attack's images that show the concept. Each\n"
        f"row is the mean over {', '.join(PROBED)}. Attacks that learn use {setting['learning']}\n"
        "optimisation steps. **Erasure is not deletion**: an attacker who can train the model\n"
        "brings a concept back. A hardened gate replaces the word that the learned embedding starts from,\n"
        "so that this attack finds no way: [hardening](harden.md) has the same attack from other words.\n",
        "| attack | original model | " + " | ".join(map(_title, methods)) + " |",
        "|---|" + "---|" * len(columns),
    ]
    if never := found.get("never"):
        rows.insert(
            -2,
            f"The first row is no attack: images of thirty objects that nobody names, with {FIRST} erased,\n"
            "as a share of the original model's, which should stay high.\n",
        )
        rows.append(
            row("never named", 100.0, *(with_error(never[method], "value", "error") for method in methods))
        )
    rows += [
        row(attack, *(with_error(each[column], "value", "error") for column in columns))
        for attack, each in found["attacks"].items()
    ]
    return "\n".join([*rows, ""])


def related(found: Mapping, setting: Mapping) -> str:
    """The page about wider and narrower names, colours, and two objects in a prompt."""
    return "\n".join(
        [
            "# Prompts near an erased concept\n",
            *_setting("related", found, setting),
            *_wider_and_narrower(found["names"]),
            *_colours(found["colours"]),
            *_pairs(found["pairs"]),
        ]
    )


def _wider_and_narrower(found: Mapping[str, Mapping]) -> list[str]:
    links = [f"{wide}: {', '.join(narrow)}" for wide, narrow in NARROWER.items()]
    return [
        "## Wider and narrower names\n\n"
        f"The world's wider and narrower names ({'; '.join(links)}), one erased at a time. The prior names\n"
        "other classes only. Figures are shares of before.\n",
        "| method | narrower names, the wider one erased | the wider name, a narrower one erased |",
        "|---|---|---|",
        *(
            row(_title(name), with_error(each, "narrower"), with_error(each, "wider"))
            for name, each in found.items()
        ),
        "\n**What this cannot show.** The miniature's text encoder learned its names one by one: it does\n"
        "not know that an owl is a bird. A text encoder of full size does, so there a wider name can take\n"
        "its narrower ones with it: ask *Suggest Surrogate* what is at risk. The world's only name for any\n"
        "person, *a person*, is the persons' surrogate, so it is no test either.\n",
    ]


def _colours(found: Mapping[str, Mapping]) -> list[str]:
    rows = [
        "## A colour in the prompt\n\n"
        f'Ten objects erased at once; prompts such as "a photo of the shoe on a red background", with\n'
        f"{len(COLOURS)} colours, one image each. A colour counts if the image's frame is nearest to it\n"
        "among all eleven of the world. Figures are shares of before, except for the erased object.\n",
        "| method | object never named | its colour | named object | its colour | erased object, still shown "
        "| its colour |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, each in found.items():
        if name == UNEDITED:
            told = (each[f"before_{side}_{what}"] for side in SIDES for what in ("object", "colour"))
            rows.append(row("original model, % of images", *told))
        else:
            shown = [
                with_error(each, f"{side}_{what}") for side in SIDES[:2] for what in ("object", "colour")
            ]
            rows.append(
                row(_title(name), *shown, with_error(each, "erased"), with_error(each, "erase_colour"))
            )
    return [
        *rows,
        "\n**What this cannot show.** The miniature colours backgrounds, not things: it has no red car.\n",
    ]


def _pairs(found: Mapping[str, Mapping]) -> list[str]:
    rows = [
        "## Two objects in a prompt\n\n"
        'The same erasures; prompts such as "a photo of a shoe and a lion", one object erased and one not,\n'
        "in either order. The miniature puts a pair into opposite corners, and the judge looks at both.\n"
        "Figures of the other object are shares of before.\n",
        "| method | other object, never named | other object, named | erased object, still shown |",
        "|---|---|---|---|",
    ]
    for name, each in found.items():
        if name == UNEDITED:
            told = "original model, % of images", each["before_never"], each["before_keep"], each["erased"]
            rows.append(row(*told))
        else:
            shown = (with_error(each, column) for column in ("never", "keep", "erased"))
            rows.append(row(_title(name), *shown))
    return [*rows, ""]


def _setting(name: str, found: Mapping, setting: Mapping) -> list[str]:
    """What was measured, and what to know about older figures."""
    note = found.get("note")
    return [SETTING.format(name=name, **{"device": "the CPU", **setting}), *([f"{note}\n"] if note else [])]


def _title(method: str) -> str:
    return TITLES.get(method, method)
