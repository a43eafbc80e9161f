"""One line of progress: what the server is doing, and the time left."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from dev.host.client import Event

# The relative costs of nodes; all others count as almost nothing.
COST = {
    "MACE_PreservePrior": 0.5,
    "MACE_CrossAttnRefine": 0.5,
    "MACE_DrawConcepts": 6,
    "MACE_MaskConcepts": 0.5,
    "MACE_TrainConceptLoRA": 1,
    "MACE_FuseLoRAs": 0.5,
    "KSampler": 2,
    "MACE_ScoreErasure": 60,
}
SECONDS_BETWEEN_LINES = 10  # if the output is a file and not a terminal


@dataclass
class Progress:
    """The progress of a prompt's run: call it with every event."""

    graph: Mapping
    started: float = field(default_factory=time.monotonic)
    done: set = field(default_factory=set)
    current: str = ""
    title: str = ""
    reached: float = 0.0
    printed: float = 0.0

    def __call__(self, event: Event) -> None:
        within = 0.0
        if event.kind == "execution_cached":
            self.done |= set(event.data.get("nodes", ()))
        elif event.kind == "executing" and event.node:
            self.done |= {self.current}
            self.current = event.node
            self.title = self.graph.get(event.node, {}).get("_meta", {}).get("title", self.title)
        elif event.kind == "progress" and event.maximum:
            within = event.value / event.maximum
        ended = event.kind == "execution_success"
        self.reached = 1.0 if ended else max(self.reached, self.fraction(within))
        self.show(self.reached)

    def cost(self, node: str) -> float:
        return COST.get(self.graph[node]["class_type"], 0.01) if node in self.graph else 0.0

    def fraction(self, within: float) -> float:
        """The share of the work that is done; within: the share of the current node's."""
        ahead = 0.0 if self.current in self.done else within * self.cost(self.current)
        return (sum(map(self.cost, self.done)) + ahead) / sum(map(self.cost, self.graph))

    def show(self, fraction: float) -> None:
        on_screen = sys.stdout.isatty()
        now = time.monotonic()
        if not on_screen and fraction < 1 and now - self.printed < SECONDS_BETWEEN_LINES:
            return
        self.printed = now
        line = f"  {fraction:4.0%}  {self.title:<28} {self.time_left(fraction)}"
        stays = on_screen and fraction < 1
        print(f"\r{line:<78}" if on_screen else line, end="" if stays else "\n", flush=True)

    def time_left(self, fraction: float) -> str:
        passed = time.monotonic() - self.started
        if fraction >= 1:
            return f"done in {passed:.0f} s"
        return f"about {passed * (1 - fraction) / fraction:.0f} s left" if fraction > 0.02 else ""
