"""One row per attack: what it generates with the original model and with the erased model."""

from PIL import Image

from ...mace_core.attacks.probes import LEARNED, ProbeResult
from .before_after import MARGIN, Layout, draw_sheet
from .canvas import GONE, INK, SOFT, STAYS, font, shortened

LABEL = 270
LAYOUT = Layout(
    ("original", "erased"), LABEL, 126, "Erasure is not deletion: what each attack brings back.", width=640
)
CONCEPTS = 3
BACK = 0.1  # at this share or more, the figure has the warning colour


def draw_grid(title: str, results, images) -> Image.Image:
    """images: (side, attack) -> `[n, H, W, 3]`; shows the first few, for the first `CONCEPTS` concepts."""
    concepts = list(dict.fromkeys(each.probe.concept for each in results))[:CONCEPTS]
    rows = [each for each in results if each.after is not None and each.probe.concept in concepts]
    return draw_sheet(title, rows, lambda side, each: images[side, each.probe], _label, LAYOUT)


def _label(pen, result: ProbeResult, y: int) -> None:
    probe = result.probe
    tried = "" if probe.attack in LEARNED else next(iter(result.shares))
    before, after = (f"{100 * side.top1:.0f} %" for side in (result.before, result.after))
    lines = ((probe.concept.target, INK, 22), (probe.attack, INK, 16), (tried, SOFT, 14))
    for place, (text, colour, size) in enumerate(lines):
        pen.text((MARGIN, y + 8 + 27 * place), shortened(text, size, LABEL - 16), colour, font(size))
    pen.text(
        (MARGIN, y + 88),
        f"original {before}, erased {after}",
        GONE if result.after.top1 >= BACK else STAYS,
        font(16),
    )
