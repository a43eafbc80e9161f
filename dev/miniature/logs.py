"""The committed training logs: `.cache/mini/*.log`, thinned, in logs/."""

from __future__ import annotations

import json
from pathlib import Path

LOGS = Path(__file__).with_name("logs")
PARTS = ("vae", "judge", "text", "unet")
LINES = 200  # per committed log, evenly spaced


def keep_logs(work: Path, folder: Path = LOGS) -> None:
    """Merge `work`/PART.log into `folder`/PART.jsonl, because training can continue on another machine.

    If a step ran twice, after an interruption, the later line counts.
    """
    folder.mkdir(exist_ok=True)
    for part in PARTS:
        lines = read_log(folder / f"{part}.jsonl") | read_log(work / f"{part}.log")
        if lines:
            steps = sorted(lines)
            kept = steps[:: max(1, len(steps) // LINES)] + steps[-1:]
            text = "".join(json.dumps(lines[step]) + "\n" for step in dict.fromkeys(kept))
            (folder / f"{part}.jsonl").write_text(text)


def read_log(path: Path) -> dict[int, dict[str, float]]:
    """Step -> its line, in the order of steps; empty if the file does not exist."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["step"]: line for line in sorted(lines, key=lambda line: line["step"])}
