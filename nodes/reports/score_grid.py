"""Images before and after, with the same seeds: concepts, synonyms, neighbours, other preserved prompts."""

from PIL import Image

from ...mace_core.evaluation.scores import SetScore
from .before_after import MARGIN, SIDE, Layout, draw_sheet
from .canvas import GONE, INK, SOFT, STAYS, font, shortened

LABEL = 230
LAYOUT = Layout(("before", "after, same seeds"), LABEL, 96)
ROWS = {"erased": 4, "synonym": 3, "neighbour": 3, "kept": 3, "never named": 3}
NOTES = {
    "erased": ("erased", GONE),
    "synonym": ("synonym", GONE),
    "neighbour": ("preserved, a neighbour", STAYS),
    "kept": ("preserved", STAYS),
    "never named": ("never named", STAYS),
}


def draw_grid(title: str, scores: list[SetScore], images) -> Image.Image:
    """images: (side, prompt set) -> `[n, H, W, 3]`, of which the first few are shown."""
    rows = chosen_rows(scores)
    return draw_sheet(title, rows, lambda side, each: images[side, each.prompt_set], _label, LAYOUT)


def chosen_rows(scores: list[SetScore]) -> list[SetScore]:
    """A few rows of each group, evenly spaced, so that good ones are not preferred."""
    rows = []
    for group, most in ROWS.items():
        members = [each for each in scores if each.prompt_set.group == group]
        step = max(1, -(-len(members) // most))
        rows += members[::step]
    return rows


def _label(pen, score: SetScore, y: int) -> None:
    note, colour = NOTES[score.prompt_set.group]
    if score.prompt_set.given:
        note = "synonym, also erased"
    pen.text((MARGIN, y + SIDE // 2 - 38), shortened(score.prompt_set.phrase, 22, LABEL - 16), INK, font(22))
    pen.text((MARGIN, y + SIDE // 2 - 8), note, colour, font(16))
    pen.text((MARGIN, y + SIDE // 2 + 16), _seen(score), SOFT, font(16))


def _seen(score: SetScore) -> str:
    if score.before.top1 is None:
        return f"drift {score.drift.pixels:.2f}"
    before, after = (f"{100 * side.top1:.0f} %" for side in (score.before, score.after))
    return f"{before} before, {after} after"
