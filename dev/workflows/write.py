"""`make templates`: writes workflows/NAME.json from each templates/NAME.py, and the blocks in subgraphs/ from
blueprints/, with a running host's schemas.
"""

import json
import runpy
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.host.fetch import REPOSITORY
from dev.host.server import Host
from dev.workflows.blueprint import to_blueprint
from dev.workflows.to_ui import to_ui

DESCRIPTIONS = REPOSITORY / "dev" / "workflows" / "templates"
BLUEPRINTS = REPOSITORY / "dev" / "workflows" / "blueprints"
WORKFLOWS, SUBGRAPHS = REPOSITORY / "workflows", REPOSITORY / "subgraphs"


def described(object_info: Mapping) -> Iterator[tuple[Path, dict]]:
    """(file, what it holds) of each template and block."""
    for description in sorted(DESCRIPTIONS.glob("*.py")):
        template = runpy.run_path(str(description))["TEMPLATE"]
        yield WORKFLOWS / f"{description.stem}.json", to_ui(template, object_info)
    for description in sorted(BLUEPRINTS.glob("*.py")):
        block = runpy.run_path(str(description))["BLUEPRINT"]
        yield SUBGRAPHS / f"{block.name}.json", to_blueprint(block, object_info)


def main() -> None:
    with Host() as host:
        object_info = host.client().object_info()
    for path, workflow in described(object_info):
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(workflow, indent=1) + "\n")
        print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
