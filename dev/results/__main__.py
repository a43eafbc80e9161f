"""`make results`: docs/results/{objects,styles,robustness,related}.{md,json} and the figures in them.

An interrupted run resumes where it stopped. With pages named, only they are measured.

    python -m dev.results [objects styles robustness related]
"""

import json
import shutil
import sys

from dev.bench.bench import CFG, SAMPLER, STEPS, fingerprints
from dev.bench.tasks import kept_folder, run
from dev.host.card import device_name
from dev.results import figures, report
from dev.results.measure import PROBED_WITH, RESULTS
from dev.results.plan import TABLES, tasks

IMAGES = 16


def main(*tables: str) -> None:
    for name in tables or TABLES:
        folder = kept_folder(f"results-{name}")
        found = getattr(figures, name)(run(tasks(name), folder, IMAGES))
        drawn = {"images": IMAGES, "steps": STEPS, "cfg": CFG, "sampler": SAMPLER}
        setting = PROBED_WITH if name == "robustness" else drawn
        setting = setting | {"device": device_name()}
        told = {"setting": setting, "files": fingerprints(), name: found}
        (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
        (RESULTS / f"{name}.md").write_text(getattr(report, name)(found, setting))
        print((RESULTS / f"{name}.md").read_text())
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
