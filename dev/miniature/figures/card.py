"""Measured parts of the model card, mini/README.md: the table between its markers, curves, contact sheet."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from dev.bench.markdown import with_marked

from ..draw import CFG, STEPS
from .artist import Artist, plain_prompt
from .curves import INK, PAPER, SOFT, draw_curves, font

MINI = Path(__file__).resolve().parents[3] / "mini"
CARD, CURVES, SHEET = MINI / "README.md", MINI / "curves.png", MINI / "concepts.jpg"
BEGIN, END = "<!-- figures: written by `make mini-report` -->", "<!-- end of the figures -->"
COLUMNS, SIDE, CELL, LABEL, MARGIN = 13, 84, (96, 112), 14, 16
SHEET_SEED = 1  # one image per name, none selected by hand
LISTED = 12  # the card lists this many concepts with the lowest scores


def write(artist: Artist, figures: dict, details: dict) -> None:
    """Rewrite the card's table and both images."""
    names = details["names"]
    least = sorted(names, key=names.get)[:LISTED]
    worst = ", ".join(f"{name} {names[name]:.0f}" for name in least)
    measured = f"{table(figures)}\n\nLowest concepts by name, percent: {worst}.\n"
    CARD.write_text(with_marked(CARD.read_text(), BEGIN, END, measured))
    draw_curves(CURVES)
    things = artist.nameable
    contexts = artist.contexts([plain_prompt(thing) for thing in things])
    draw_sheet([thing.name for thing in things], artist.draw(contexts, SHEET_SEED), SHEET)


def table(figures: dict) -> str:
    """The figures as a markdown table."""
    rows = [
        f"| {STEPS} steps, CFG {CFG:g} | measured | judge's ceiling | required | met |",
        "|---|---|---|---|---|",
    ]
    for each in figures.values():
        note = f" ({each.note})" if each.note else ""
        ceiling = "" if each.ceiling is None else _short(each.ceiling)
        wanted, met = f"{each.bound} {each.wanted:g}", "yes" if each.met else "no"
        rows.append(f"| {each.what}{note} | {_short(each.measured)} | {ceiling} | {wanted} | {met} |")
    return "\n".join(rows)


def lines(figures: dict) -> str:
    """The figures as lines for a terminal."""
    return "\n".join(
        f"{each.what:<46}{_short(each.measured):>9}"
        f"{'' if each.ceiling is None else _short(each.ceiling):>9}"
        f"   {each.bound} {each.wanted:<7g}{'' if each.met else 'NOT MET'}  {each.note}".rstrip()
        for each in figures.values()
    )


def _short(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2g}"


def draw_sheet(names: list[str], pictures: Tensor, path: Path) -> None:
    """A contact sheet: each name below its generated image [64, 64, 3]."""
    rows = -(-len(names) // COLUMNS)
    size = (2 * MARGIN + COLUMNS * CELL[0], 2 * MARGIN + rows * CELL[1])
    canvas = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(canvas)
    for place, (name, picture) in enumerate(zip(names, pictures, strict=True)):
        x, y = MARGIN + place % COLUMNS * CELL[0], MARGIN + place // COLUMNS * CELL[1]
        pixels = (picture * 255).round().byte().numpy()
        canvas.paste(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x + 6, y))
        colour = SOFT if " " in name else INK
        pen.text((x + CELL[0] // 2, y + SIDE + LABEL), name, colour, font(13), anchor="ms")
    canvas.save(path, quality=85, optimize=True)
