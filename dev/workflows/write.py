"""`make templates`: writes workflows/NAME.json from each templates/NAME.py, with a running host's schemas."""

import json
import runpy

from dev.host.fetch import REPOSITORY
from dev.host.server import Host
from dev.workflows.to_ui import to_ui

DESCRIPTIONS = REPOSITORY / "dev" / "workflows" / "templates"
WORKFLOWS = REPOSITORY / "workflows"


def main() -> None:
    with Host() as host:
        object_info = host.client().object_info()
    WORKFLOWS.mkdir(exist_ok=True)
    for description in sorted(DESCRIPTIONS.glob("*.py")):
        template = runpy.run_path(str(description))["TEMPLATE"]
        path = WORKFLOWS / f"{description.stem}.json"
        path.write_text(json.dumps(to_ui(template, object_info), indent=1) + "\n")
        print(path.relative_to(REPOSITORY))


if __name__ == "__main__":
    main()
