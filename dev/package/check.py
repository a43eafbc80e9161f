"""`make package`: the pack as users get it, from the archive to every template on a fresh ComfyUI."""

import collections
import tempfile
from pathlib import Path

from dev.package.archive import committed, node_ids, packed, scanned, validated
from dev.package.fresh import installed_alone, run_templates
from dev.package.manager import MANAGER


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="mace-package-") as folder:
        clone = committed(Path(folder) / "clone")
        print(validated(clone).strip().splitlines()[-1])
        base = Path(folder) / "base"
        pack = installed_alone(packed(clone), base)
        size = sum(path.stat().st_size for path in pack.rglob("*") if path.is_file()) / 2**20
        print(f"{MANAGER} installs it: {size:.1f} MiB, {len(node_ids(pack))} nodes in its schemas.")
        levels = collections.Counter(each["severity"] for each in scanned(pack))
        print(f"nodesafe: nothing serious ({', '.join(f'{n} {level}' for level, n in levels.items())}).")
        for name in run_templates(pack, base):
            print(f"Ran {name}.")


if __name__ == "__main__":
    main()
