"""Line plots of results. Needs matplotlib (dev/bench/requirements.txt)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    name: str
    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[str] = ()  # one per point; without, x has a tick at each point, on a logarithmic scale


def lines(path: Path, across: str, up: str, told: Sequence[Line]) -> None:
    """Write one panel to `path`.

    across, up: the labels of the axes; told: the lines.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panel = pyplot.subplots(figsize=(7, 4.2), dpi=110, layout="constrained")
    for line in told:
        panel.plot(line.x, line.y, marker="o", label=line.name)
        for label, *point in zip(line.labels, line.x, line.y, strict=False):
            panel.annotate(label, point, (6, 4), textcoords="offset points", fontsize=8)
    if not any(line.labels for line in told):
        ticks = sorted({x for line in told for x in line.x})
        panel.set_xscale("log")
        panel.set_xticks(ticks, [f"{x:g}" for x in ticks])
        panel.minorticks_off()
    panel.set_xlabel(across)
    panel.set_ylabel(up)
    panel.set_ylim(0, 102)
    panel.grid(alpha=0.3)
    panel.legend(frameon=False, loc="best")
    figure.savefig(path)
    pyplot.close(figure)
