"""docs/results/mass.md: the tables of `make mass`, and whether they meet the project's requirements."""

from collections.abc import Mapping
from math import hypot

from dev.bench.erasures import AVERAGED, FULL, LINEAR, REFINED
from dev.bench.errors import apart
from dev.bench.markdown import row, with_error
from dev.mass.figures import WANTED, WANTED_EXACT, WANTED_MIXED, WANTED_NAMESAKES
from dev.mass.plan import BESIDE, MANY

HEAD = """# Mass erasure on the miniature

`make mass` writes this page from `mass.json`. It erases concepts of the frozen split in `mini/splits.json`
from the bundled miniature Stable Diffusion with the nodes' default settings, and generates {images} images
per concept ({steps} steps of {sampler}, CFG {cfg}, on {device}).
Figures are the bundled judge's top-1 in percent. The prior names half of the concepts that stay, for UCE as
for MACE; nobody names the other half.

- **Never named** (higher is better): images of concepts that are neither erased nor in the prior, as a share
  of the original model's.
- **Acc_e** (lower is better): images of erased concepts that still show their concept. **Synonyms**: the
  same when the prompt has a synonym, never shown to the erasure.
- **Acc_s** (higher is better): images of concepts in the prior that show their concept.
- **H_c**: harmonic mean of 1 - Acc_e and Acc_s. **Relative**: with Acc_s divided by the Acc_s of the
  original model on the same concepts.

After \u00b1 stands one standard error over the concepts: images of one concept resemble each other, so the
concepts are the sample. A single concept has none, and an error of 0 means that all concepts agree, not that
the figure is exact.
"""
PRICE = """## The price of an export

Files and saved checkpoints have the linear form, which has no gate. A relative ridge in Cross-Attention
Refinement and Fuse Concept LoRAs lets it preserve more of what nobody named, and erase less.
"""
PAPER_REFINED = 46.7  # H_c of refinement only, table 4 at 100 celebrities
ORDER = (REFINED, AVERAGED, LINEAR)  # by H_c in the paper's table 4, lowest first


def tables(found: Mapping, setting: Mapping) -> str:
    parts = (
        HEAD.format(**{"device": "the CPU", **setting}),
        _mass(found),
        "![What nobody named, as a share of before, by the number of erased concepts](mass.png)\n",
        _price(found),
        _persons(found),
        _ablation(found),
        *([_trainers(found)] if "exact" in found else []),
        _mixed(found, setting["images"]),
        _costs(found),
    )
    return "\n".join(parts)


def met(value: float, least: float) -> str:
    return "yes" if value >= least else "**no**"


METHODS = {
    "mass": "MACE, gated (default)",
    "linear": "MACE, linear (for export)",
    "uce": "UCE",
}


def _mass(found: Mapping) -> str:
    rows = [
        "## Objects, 1 to 100 at once",
        "",
        "| erased | method | never named | Acc_e | synonyms | Acc_s | Acc_s before | H_c | H_c relative |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count in found["mass"]:
        for key, method in METHODS.items():
            if each := found.get(key, {}).get(count):
                rows.append(
                    row(
                        count,
                        method,
                        with_error(each, "never_share", "never_error"),
                        with_error(each, "acc_e"),
                        with_error(each, "synonyms"),
                        with_error(each, "acc_s"),
                        each["acc_s_before"],
                        each["h_c"],
                        each["h_c_relative"],
                    )
                )
    return "\n".join([*rows, "", _required(found)])


def _required(found: Mapping) -> str:
    """The gated erasure beside what the project requires."""
    rows = [
        "Required of the default, and met:",
        "",
        "| erased | never named, at least | Acc_e, at most | synonyms, at most | H_c relative, at least |",
        "|---|---|---|---|---|",
    ]
    for count, (never, acc_e, synonyms, named) in WANTED.items():
        each = found["mass"][count]
        retold = f"{synonyms}: {met(-each['synonyms'], -synonyms)}" if "synonyms" in each else ""
        rows.append(
            row(
                count,
                f"{never}: {met(each['never_share'], never)}",
                f"{acc_e}: {met(-each['acc_e'], -acc_e)}",
                retold,
                f"{named}: {met(each['h_c_relative'], named)}",
            )
        )
    return "\n".join([*rows, ""])


def _price(found: Mapping) -> str:
    head = " | ".join(f"{count} erased: never named | Acc_e" for count in BESIDE)
    rows = [
        PRICE,
        f"| relative ridge | {head} |",
        "|---" * (1 + 2 * len(BESIDE)) + "|",
    ]
    for ridge, counts in {"0 (default)": found["linear"], **found["ridged"]}.items():
        cells = (
            with_error(counts[count], *names)
            for count in BESIDE
            for names in (("never_share", "never_error"), ("acc_e",))
        )
        rows.append(row(ridge, *cells))
    shown = "What nobody named, by what still shows of the erased concepts; at each point, the relative ridge"
    return "\n".join([*rows, "", f"![{shown}](price.png)", ""])


def _persons(found: Mapping) -> str:
    rows = [
        "## People who share names\n\n"
        "Namesakes are people whom nobody names and who share a first or last name with an erased person:\n"
        f"images of them that show them, as a share of the original model's ({WANTED_NAMESAKES} required).",
        "",
        "| erased | never named | namesakes | met | Acc_e | Acc_s | H_c relative |",
        "|---|---|---|---|---|---|---|",
    ]
    for count, each in found["persons"].items():
        share = 100 * each["namesakes"] / each["namesakes_before"] if "namesakes" in each else None
        rows.append(
            row(
                count,
                with_error(each, "never_share", "never_error"),
                "" if share is None else min(100.0, share),
                "" if share is None else met(share, WANTED_NAMESAKES),
                with_error(each, "acc_e"),
                with_error(each, "acc_s"),
                each["h_c_relative"],
            )
        )
    return "\n".join([*rows, ""])


def _ablation(found: Mapping) -> str:
    rows = [
        "## Ablation with 100 concepts",
        "",
        "| method | never named | Acc_e | Acc_s | H_c | H_c relative |",
        "|---|---|---|---|---|---|",
    ]
    rows += [
        row(
            f"{name}, gated" if name == FULL else name,
            with_error(each, "never_share", "never_error"),
            with_error(each, "acc_e"),
            with_error(each, "acc_s"),
            each["h_c"],
            each["h_c_relative"],
        )
        for name, each in found["ablation"].items()
    ]
    return "\n".join([*rows, "", _order(found["ablation"]), "", _why(found), ""])


def _order(found: Mapping) -> str:
    """How H_c changes from row to row of the paper's order; only what is two standard errors apart counts."""
    if any("acc_s_error" not in found[name] for name in ORDER):
        return f"In the paper, H_c rises in the order {', '.join(ORDER)}."
    steps = []
    for low, high in zip(ORDER, ORDER[1:]):
        change = found[high]["h_c"] - found[low]["h_c"]
        counts = apart(change, hypot(*(_h_c_error(found[name]) for name in (low, high))))
        verb = "cannot be told apart" if not counts else "rises" if change > 0 else "**falls**"
        steps.append(f"from {low} to {high} it {verb}" if counts else f"{low} and {high} {verb}")
    return f"In the paper, H_c rises in the order {', '.join(ORDER)}. Here, {'; '.join(steps)}."


def _h_c_error(each: Mapping[str, float]) -> float:
    """The standard error of H_c, from those of Acc_e and Acc_s; 0 if they were not measured."""
    gone, kept = 100 - each["acc_e"], each["acc_s"]
    slopes = (kept / (gone + kept)) ** 2, (gone / (gone + kept)) ** 2
    errors = (each.get(name, 0.0) for name in ("acc_e_error", "acc_s_error"))
    return 2 * hypot(*(slope * error for slope, error in zip(slopes, errors, strict=True)))


def _why(found: Mapping) -> str:
    """In what the rows of the ablation can differ."""
    alone = found["ablation"][REFINED]
    return found["notes"].get("ablation") or (
        "All rows but the last are linear, as in the paper. The paper's row without focal sampling (CFIS)\n"
        "is missing: the fast trainer takes no random timesteps. In the paper, stage 1 alone has an H_c of\n"
        f"{PAPER_REFINED}, here {alone['h_c']:.1f}, with an Acc_e of {alone['acc_e']:.1f} %: the later\n"
        "stages can improve little but Acc_s."
    )


def _trainers(found: Mapping) -> str:
    rows = [
        "## The exact trainer beside the fast one",
        "",
        "Linear: the gate does not depend on the trainer. Difference: of H_c relative, at most "
        f"{WANTED_EXACT} points lost required.",
        "",
        "| erased | trainer | never named | Acc_e | Acc_s | H_c relative | difference | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count, exact in found["exact"].items():
        fast = found["linear"][count]
        difference = exact["h_c_relative"] - fast["h_c_relative"]
        for name, each, compared in (
            ("fast (default)", fast, ("", "")),
            ("exact", exact, (f"{difference:+.1f}", met(difference, -WANTED_EXACT))),
        ):
            rows.append(
                row(
                    count,
                    name,
                    with_error(each, "never_share", "never_error"),
                    with_error(each, "acc_e"),
                    with_error(each, "acc_s"),
                    each["h_c_relative"],
                    *compared,
                )
            )
    return "\n".join([*rows, ""])


def _mixed(found: Mapping, images: int) -> str:
    rows = [
        "## Three kinds in one run",
        "",
        "| kind | erased | never named | Acc_e | Acc_s | H_c relative | alone | difference "
        f"| loss <= {WANTED_MIXED} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, each in found["mixed"].items():
        difference = each["together"] - each["alone"]
        rows.append(
            row(
                f"{kind}s",
                each["erased"],
                with_error(each, "never_share", "never_error"),
                with_error(each, "acc_e"),
                with_error(each, "acc_s"),
                each["together"],
                each["alone"],
                difference,
                met(difference, -WANTED_MIXED),
            )
        )
    said = f"The judge classifies {MANY * images} images per style."
    return "\n".join([*rows, "", said, found["notes"].get("mixed", ""), ""])


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
