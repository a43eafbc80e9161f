"""docs/results/mass.md: the tables of `make mass`, and whether they are what the project set out to show."""

from collections.abc import Mapping

from dev.bench.erasures import AVERAGED, FULL, REFINED, UNFOCUSED
from dev.mass.figures import WANTED, WANTED_LEAD, WANTED_MIXED, WANTED_PERSONS
from dev.mass.plan import MANY, splits

HEAD = """# Mass erasure on the miniature

Written by `make mass` from `mass.json`: the bundled miniature Stable Diffusion and its judge, the frozen
split of `mini/splits.json`, the nodes' default settings, {images} pictures a concept ({steps} steps of
{sampler}, CFG {cfg}), top-1 of the judge in percent. The prior names the concepts that are kept, for UCE as
for MACE.

Acc_e: erased concepts that are still drawn. Acc_s: kept concepts that are drawn. H_c: harmonic mean of
1 - Acc_e and Acc_s; relative: Acc_s divided by what the unedited model scores on the same kept concepts.
"""
PAPER_REFINED = 46.7  # H_c of refinement only, table 4 at 100 celebrities
ORDER = (REFINED, AVERAGED, UNFOCUSED, FULL)  # of the paper's table 4, upwards


def tables(found: Mapping, setting: Mapping) -> str:
    parts = (
        HEAD.format(**setting),
        _mass(found),
        "![H_c by the number of concepts](mass.png)\n",
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
        "| erased | Acc_e | Acc_s | before | H_c | H_c relative | wanted | "
        "| UCE: Acc_e | Acc_s | H_c relative | lead wanted | |",
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
        "## People who share names",
        "",
        "| erased | Acc_e | Acc_s | H_c relative | wanted | | namesakes before | after |",
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
        "## What each part does, at 100 concepts",
        "",
        "| | Acc_e | Acc_s | H_c | H_c relative |",
        "|---|---|---|---|---|",
    ]
    rows += [
        row(name, each["acc_e"], each["acc_s"], each["h_c"], each["h_c_relative"])
        for name, each in found["ablation"].items()
    ]
    values = [found["ablation"][name]["h_c"] for name in ORDER]
    kept = all(low < high for low, high in zip(values, values[1:]))
    said = "as here" if kept else "which is **not** the order found here"
    order = f"The paper's order, upwards: {', '.join(ORDER)}; {said}."
    return "\n".join([*rows, "", order, "", _why(found, images), ""])


def _why(found: Mapping, images: int) -> str:
    """What the rows of the ablation can differ in, and how far apart they must be to differ."""
    alone, whole = found["ablation"][REFINED], found["ablation"][FULL]
    pictures = images * len(splits()["mass"]["100"]["keep"])
    error = (whole["acc_s"] * (100 - whole["acc_s"]) / pictures) ** 0.5
    return (
        f"In the paper stage 1 alone has an H_c of {PAPER_REFINED}. Here it has {alone['h_c']:.1f} and\n"
        f"leaves {alone['acc_e']:.1f} % of the erased concepts: the later stages can only add to what is\n"
        f"kept, judged on {pictures} pictures. One standard error of Acc_s is at least {error:.1f} points;\n"
        "rows nearer than two of them are not told apart."
    )


def _mixed(found: Mapping, images: int) -> str:
    rows = [
        "## Three kinds in one run",
        "",
        f"| group | erased | Acc_e | Acc_s | H_c relative | alone | difference | at most {WANTED_MIXED} |",
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
    return "\n".join([*rows, "", f"Each style is judged on {MANY * images} pictures.", ""])


def _costs(found: Mapping) -> str:
    took, memory = found["seconds"], found["memory"]
    first = next(iter(took.values()))
    rows = [
        "## Seconds and memory",
        "",
        "| training a concept | seconds of CPU | times faster |",
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
            f"Resident memory of the whole process; the fusion's peaks differ by "
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
