"""docs/results/mass.md: the tables of `make mass`, and whether they meet the project's requirements."""

from collections.abc import Mapping

from dev.bench.erasures import AVERAGED, FULL, REFINED, UNFOCUSED
from dev.mass.figures import WANTED, WANTED_LEAD, WANTED_MIXED, WANTED_PERSONS
from dev.mass.plan import MANY, splits

HEAD = """# Mass erasure on the miniature

`make mass` writes this page from `mass.json`. It erases concepts of the frozen split in `mini/splits.json`
from the bundled miniature Stable Diffusion with the nodes' default settings, and generates {images} images
per concept ({steps} steps of {sampler}, CFG {cfg}). Figures are the bundled judge's top-1 in percent. The
prior names the preserved concepts, for UCE as for MACE.

- **Acc_e** (lower is better): images of erased concepts that still show their concept.
- **Acc_s** (higher is better): images of preserved concepts that show their concept. Before: with the
  original model.
- **H_c**: harmonic mean of 1 - Acc_e and Acc_s. **Relative**: with Acc_s divided by the Acc_s of the
  original model on the same preserved concepts.
"""
PAPER_REFINED = 46.7  # H_c of refinement only, table 4 at 100 celebrities
ORDER = (REFINED, AVERAGED, UNFOCUSED, FULL)  # by H_c in the paper's table 4, lowest first


def tables(found: Mapping, setting: Mapping) -> str:
    parts = (
        HEAD.format(**setting),
        _mass(found),
        "![H_c relative by the number of erased concepts](mass.png)\n",
        _persons(found),
        _ablation(found, setting["images"]),
        _mixed(found, setting["images"]),
        _costs(found),
        _resumed(found),
    )
    return "\n".join(parts)


def met(value: float, least: float) -> str:
    return "yes" if value >= least else "**no**"


def _mass(found: Mapping) -> str:
    rows = [
        "## Objects, 1 to 100 at once",
        "",
        "| erased | Acc_e | Acc_s | Acc_s before | H_c | H_c relative | required | met "
        "| UCE: Acc_e | UCE: Acc_s | UCE: H_c relative | required lead in H_c over UCE | met |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for count, each in found["mass"].items():
        uce = found["uce"].get(count)
        lead = WANTED_LEAD.get(count)
        beside = ["", "", ""] if uce is None else [uce["acc_e"], uce["acc_s"], uce["h_c_relative"]]
        judged = ["", ""] if lead is None else [lead, met(each["h_c"] - uce["h_c"], lead)]
        rows.append(
            row(
                count,
                each["acc_e"],
                each["acc_s"],
                each["acc_s_before"],
                each["h_c"],
                each["h_c_relative"],
                WANTED[count],
                met(each["h_c_relative"], WANTED[count]),
                *beside,
                *judged,
            )
        )
    return "\n".join([*rows, ""])


def _persons(found: Mapping) -> str:
    rows = [
        "## People who share names\n\n"
        "The last two columns are about preserved people who share a first or last name with an erased\n"
        "person: images of them that show them, before and after.",
        "",
        "| erased | Acc_e | Acc_s | H_c relative | required | met | namesakes before | namesakes after |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count, each in found["persons"].items():
        rows.append(
            row(
                count,
                each["acc_e"],
                each["acc_s"],
                each["h_c_relative"],
                WANTED_PERSONS[count],
                met(each["h_c_relative"], WANTED_PERSONS[count]),
                each.get("namesakes_before", ""),
                each.get("namesakes", ""),
            )
        )
    return "\n".join([*rows, ""])


def _ablation(found: Mapping, images: int) -> str:
    rows = [
        "## Ablation with 100 concepts",
        "",
        "| method | Acc_e | Acc_s | H_c | H_c relative |",
        "|---|---|---|---|---|",
    ]
    rows += [
        row(name, each["acc_e"], each["acc_s"], each["h_c"], each["h_c_relative"])
        for name, each in found["ablation"].items()
    ]
    values = [found["ablation"][name]["h_c"] for name in ORDER]
    kept = all(low < high for low, high in zip(values, values[1:]))
    said = "and here too" if kept else "but **not** here"
    order = f"In the paper, H_c rises in the order {', '.join(ORDER)}, {said}."
    return "\n".join([*rows, "", order, "", _why(found, images), ""])


def _why(found: Mapping, images: int) -> str:
    """In what the rows of the ablation can differ, and how large a difference must be to count."""
    alone, whole = found["ablation"][REFINED], found["ablation"][FULL]
    pictures = images * len(splits()["mass"]["100"]["keep"])
    error = (whole["acc_s"] * (100 - whole["acc_s"]) / pictures) ** 0.5
    return (
        f"In the paper, stage 1 alone has an H_c of {PAPER_REFINED}. Here it has {alone['h_c']:.1f},\n"
        f"with an Acc_e of {alone['acc_e']:.1f} %: the later stages can improve little but Acc_s. It is\n"
        f"measured on {pictures} images, and its standard error is at least {error:.1f} points:\n"
        "rows less than two standard errors apart cannot be distinguished."
    )


def _mixed(found: Mapping, images: int) -> str:
    rows = [
        "## Three kinds in one run",
        "",
        f"| kind | erased | Acc_e | Acc_s | H_c relative | alone | difference | loss <= {WANTED_MIXED} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind, each in found["mixed"].items():
        difference = each["together"] - each["alone"]
        rows.append(
            row(
                f"{kind}s",
                each["erased"],
                each["acc_e"],
                each["acc_s"],
                each["together"],
                each["alone"],
                difference,
                met(difference, -WANTED_MIXED),
            )
        )
    return "\n".join([*rows, "", f"The judge classifies {MANY * images} images per style.", ""])


def _costs(found: Mapping) -> str:
    took, memory = found["seconds"], found["memory"]
    first = next(iter(took.values()))
    rows = [
        "## Time and memory",
        "",
        "| trainer | CPU seconds per concept | speedup |",
        "|---|---|---|",
    ]
    rows += [f"| {way} | {each:.2f} | {first / each:.1f} |" for way, each in took.items()]
    rows += ["", "| concepts | refinement, peak MiB | fusion, peak MiB |", "|---|---|---|"]
    rows += [
        f"| {count} | {each['refinement']:.0f} | {each['fusion']:.0f} |" for count, each in memory.items()
    ]
    peaks = [each["fusion"] for each in memory.values()]
    return "\n".join(
        [
            *rows,
            "",
            f"Peak resident memory of the whole process. The peaks of fusion differ by at most "
            f"{100 * (max(peaks) / min(peaks) - 1):.1f} %.",
            "",
        ]
    )


def _resumed(found: Mapping) -> str:
    return "\n".join(
        [
            "## Killed and resumed",
            "",
            "`python -m dev.mass.kill_resume`:",
            "",
            "```",
            found["kill_resume"].strip(),
            "```",
            "",
        ]
    )


def row(*cells) -> str:
    return "| " + " | ".join(f"{each:.1f}" if isinstance(each, float) else str(each) for each in cells) + " |"
