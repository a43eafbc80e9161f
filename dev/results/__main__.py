"""`make results`: docs/results/{objects,styles,robustness}.{md,json} and the figures in them. An interrupted
run goes on where it was.

    python -m dev.results [images a prompt]
"""

import json
import shutil
import sys

from dev.bench.bench import CFG, SAMPLER, STEPS, fingerprints
from dev.bench.tasks import KEPT, run
from dev.results import figures, report
from dev.results.measure import RESULTS
from dev.results.plan import tasks

PROCESSES, IMAGES = 2, 16
TABLES = ("objects", "styles", "robustness")


def main(images: int = IMAGES) -> None:
    folder = KEPT / f"results-{images}"
    folder.mkdir(parents=True, exist_ok=True)
    measured = run(tasks(), folder, images, PROCESSES)
    setting = {"images": images, "steps": STEPS, "cfg": CFG, "sampler": SAMPLER}
    for name in TABLES:
        found = getattr(figures, name)(measured)
        told = {"setting": setting, "files": fingerprints(), name: found}
        (RESULTS / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
        (RESULTS / f"{name}.md").write_text(getattr(report, name)(found, setting))
        print((RESULTS / f"{name}.md").read_text())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
