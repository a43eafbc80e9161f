"""What loading the pack adds to the start of the host, which has imported torch already.

Straight: the libraries of stage 2 and of the judge are imported with the pack, as most packs do.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from dev.host.fetch import REPOSITORY
from dev.speed.timing import compared

ROUNDS = 5
_PACK = """
import importlib.util
spec = importlib.util.spec_from_file_location("pack", {init!r}, submodule_search_locations=[{folder!r}])
module = sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
_LIBRARIES = """
import peft, safetensors.torch
from transformers import CLIPModel, CLIPProcessor
"""
_NOTHING = "import logging, typing"  # what the pack's own file imports
_CODE = """
import sys, time, torch
started = time.process_time()
{body}
print(time.process_time() - started)
"""


def run() -> dict:
    bodies = {
        "ours": _PACK.format(init=str(REPOSITORY / "__init__.py"), folder=str(REPOSITORY)),
        "plain": _LIBRARIES,
        "nothing": _NOTHING,
    }
    found = {name: [] for name in bodies}
    for _ in range(ROUNDS):
        for name, body in bodies.items():
            found[name].append(_seconds(body))
    limit = median(found["nothing"])
    return {"rows": [compared("import of the pack", found["ours"], found["plain"], limit)]}


def _seconds(body: str) -> float:
    command = [sys.executable, "-W", "ignore", "-c", _CODE.format(body=body)]
    answer = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    return float(answer.stdout.split()[-1])
