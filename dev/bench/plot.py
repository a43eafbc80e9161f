"""Line plots of results. Needs matplotlib (dev/bench/requirements.txt)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    name: str
    x: Sequence[float]
    y: Sequence[float]


def lines(path: Path, across: str, up: str, told: Sequence[Line]) -> None:
    """Write one panel to `path`: x on a logarithmic scale, with a tick at each point.

    across, up: the labels of the axes; told: the lines.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 4.2), dpi=110, layout="constrained")
    for line in told:
        panel.plot(line.x, line.y, marker="o", label=line.name)
    ticks = sorted({x for line in told for x in line.x})
    panel.set_xscale("log")
    panel.set_xticks(ticks, [f"{x:g}" for x in ticks])
    panel.minorticks_off()
    panel.set_xlabel(across)
    panel.set_ylabel(up)
    panel.set_ylim(0, 102)
    panel.grid(alpha=0.3)
    panel.legend(frameon=False, loc="lower left")
    figure.savefig(path)
    pyplot.close(figure)
