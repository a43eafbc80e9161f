"""`make mass`: docs/results/mass.md, mass.json and mass.png. An interrupted run resumes where it stopped.

    python -m dev.mass [objects persons ablation trainers mixed costs]

With sections named, only they are measured, and the page keeps the others as they are.
"""

import json
import shutil
import sys

from dev.bench import readme_table as summary
from dev.bench.bench import CFG, SAMPLER, STEPS, fingerprints
from dev.bench.plot import Line, lines
from dev.bench.tasks import kept_folder, run
from dev.host.card import device_name
from dev.host.fetch import REPOSITORY
from dev.mass.figures import figures
from dev.mass.plan import BESIDE, measuring_tasks, training_tasks
from dev.mass.report import tables

RESULTS = REPOSITORY / "docs" / "results"
IMAGES = 16


def main(*sections: str) -> None:
    folder, page = kept_folder(f"mass-{IMAGES}"), RESULTS / "mass.json"
    run(training_tasks(*sections), folder, IMAGES)
    found = json.loads(page.read_text()) if sections and page.exists() else {}  # older, it can lack figures
    found |= figures(run(measuring_tasks(*sections), folder, IMAGES), *sections)
    found["notes"] = {
        section: note for section, note in found.get("notes", {}).items() if section not in sections
    }
    if sections != ("costs",):
        drawn = {"images": IMAGES, "steps": STEPS, "cfg": CFG, "sampler": SAMPLER}
        found["setting"] = drawn | {"device": device_name()}
    write(found)
    if not sections:
        shutil.rmtree(folder)


def write(found: dict) -> None:
    told = {**found, "files": fingerprints()}
    (RESULTS / "mass.json").write_text(json.dumps(told, indent=1) + "\n")
    (RESULTS / "mass.md").write_text(tables(found, found["setting"]))
    names = {"MACE, gated": "mass", "MACE, linear": "linear", "UCE": "uce"}
    lines(
        RESULTS / "mass.png",
        "concepts erased at once",
        "never named, % of before",
        [
            Line(
                name,
                [int(count) for count in found[key]],
                [each["never_share"] for each in found[key].values()],
            )
            for name, key in names.items()
            if key in found
        ],
    )
    _draw_price(found)
    summary.write()
    print((RESULTS / "mass.md").read_text())


def _draw_price(found: dict) -> None:
    """A line per number of concepts, a point per relative ridge."""
    ridges = {"0": found["linear"], **found["ridged"]}
    lines(
        RESULTS / "price.png",
        "erased, still shown, %",
        "never named, % of before",
        [
            Line(
                f"{count} erased",
                [counts[count]["acc_e"] for counts in ridges.values()],
                [counts[count]["never_share"] for counts in ridges.values()],
                list(ridges),
            )
            for count in BESIDE
        ],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
