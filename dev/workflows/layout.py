"""How the templates are laid out: columns from left to right, and lanes above them for MODEL, CLIP and VAE.

A `Part` of a template has nodes, their groups and the routes of their wires; `template` puts parts together.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from dev.workflows.parts import (
    CLIP,
    MODEL,
    VAE,
    Place,
    apply_and_save,
    concepts,
    fuse,
    latent,
    loader,
    prior,
    prompt,
    refine,
    stage_2,
)
from dev.workflows.side_by_side import routes_of_rows, rows, sampler
from dev.workflows.to_ui import Group, Node, Note, Out, Template

WIDTH, PITCH = 300, 390  # of a node, from one column to the next
TOP, SECOND = -80, 400  # of the groups, of the second row of nodes
LANES = {
    "model": (-152, -18),
    "clip": (-130, 0),
    "vae": (-108, 18),
    "concepts": (-174, -34),
    "prior": (-196, 34),
}  # y above the groups, x in a gutter
BETWEEN = 276  # y of the lanes between the rows
ERASED = Out("apply", "erased")
OWN_MODEL = (
    "\n\n**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint, set its size (512, 768 or 1024) in "
    "*Draw Concepts* and *Empty Latent Image*, and cfg to 7.5."
)
NOT_ENLARGED = " Bypass *Enlarge*."
OWN_JUDGE = " Put a CLIP folder into `models/mace/judges` and choose it as the judge."
BROWN, BLUE, VIOLET, GREEN = "#b06634", "#3f789e", "#a1309b", "#8a8"
Route = tuple[Place, ...]


@dataclass(frozen=True)
class Part:
    nodes: tuple[Node, ...]
    groups: tuple[Group, ...] = ()
    routes: Mapping[tuple[str, str], Route] = field(default_factory=dict)

    def __add__(self, other: "Part") -> "Part":
        return Part(self.nodes + other.nodes, self.groups + other.groups, {**self.routes, **other.routes})


def column(number: int) -> int:
    """The left edge of a column's nodes."""
    return number * PITCH


def gutter(number: int) -> int:
    """The middle between a column and the one to its left."""
    return number * PITCH - (PITCH - WIDTH) // 2


def lane(wire: str, to: int, down: int | None = None, start: int = 1, end: int | None = None) -> Route:
    """Along the lane of an output to the gutter left of column `to`, or to the x `end`, and down to y."""
    y, aside = LANES[wire]
    x = aside + (gutter(to) if end is None else end)
    route = ((gutter(start) + aside, y), (x, y))
    return route if down is None else (*route, (x, down))


def box(title: str, first: int, top: int, bottom: int, color: str = BLUE, last: int | None = None) -> Group:
    """A group around nodes from `top` to `bottom`, in one column or in all from `first` to `last`."""
    width = column((last or first) - first) + WIDTH + 40
    return Group(title, (column(first) - 20, top + TOP), (width, bottom - top - TOP + 20), color)


def template(note: str, *parts: Part) -> Template:
    """The parts, with the loader and below it the note in the first column."""
    whole = reduce(Part.__add__, parts)
    nodes = (replace(loader(), size=(WIDTH, 98)), *whole.nodes)
    about = Note(note, (0, 170), (WIDTH, height_of(note)), "What this does")
    return Template(nodes, (box("Load", 0, 0, 98), *whole.groups), (about,), whole.routes)


def height_of(note: str) -> int:
    """Of a note in a column, with about 56 characters per line."""
    return 60 + 13 * sum(1 + len(paragraph) // 56 for paragraph in note.split("\n"))


def closed_form(text: str, height: int = 220) -> Part:
    """Concepts and stage 1 without a prior, in the second and third column."""
    return Part(
        (
            concepts(text, (column(1), 0), (WIDTH, height)),
            refine((column(2), 0), (WIDTH, height), with_prior=False),
        ),
        (box("Erase (stage 1)", 1, 0, height, BROWN, last=2),),
        {("refine", "model"): lane("model", 2), ("refine", "clip"): lane("clip", 2)},
    )


def three_stages(text: str, name: str, images: int = 8, steps: int = 30, **preserved: str) -> Part:
    """Concepts, prior and all stages, applied and saved as `name`: from the second to the sixth column."""
    bottom = 960
    return Part(
        (
            concepts(text, (column(1), 0), (WIDTH, SECOND + 80)),
            prior((column(1), SECOND + 140), (WIDTH, bottom - SECOND - 140), **preserved),
            refine((column(2), 0), (WIDTH, 220)),
            *stage_2((column(2), SECOND), images, steps, PITCH, (WIDTH, bottom - SECOND)),
            fuse((column(4), 0), (WIDTH, 220)),
            *apply_and_save((column(5), 0), (column(5), 265), name, WIDTH),
        ),
        (
            box("Erase and preserve", 1, 0, bottom, BROWN),
            box("Stage 1: closed form", 2, 0, 220, VIOLET),
            box("Stage 2: one LoRA per concept", 2, SECOND, bottom, VIOLET, last=4),
            box("Stage 3: fusion", 4, 0, 220, VIOLET),
            box("Apply and save", 5, 0, 395, GREEN),
        ),
        {
            ("prior", "clip"): ((gutter(1), SECOND + 140),),
            ("refine", "model"): lane("model", 2),
            ("refine", "clip"): lane("clip", 2),
            ("draw", "model"): lane("model", 2, SECOND - 20),
            ("draw", "clip"): lane("clip", 2, SECOND),
            ("draw", "vae"): lane("vae", 2, SECOND + 20),
            ("train", "refined"): ((gutter(3), 40), (gutter(3), BETWEEN), (gutter(4) - 16, BETWEEN)),
            ("train", "clip"): lane("clip", 4, SECOND),
            ("train", "concepts"): ((gutter(2), BETWEEN + 22), (gutter(4) + 16, BETWEEN + 22)),
            ("fuse", "clip"): lane("clip", 4),
            ("fuse", "prior"): ((gutter(2), BETWEEN - 22), (gutter(4) - 16, BETWEEN - 22)),
            ("fuse", "concept_loras"): (
                (gutter(5), SECOND),
                (gutter(5), BETWEEN),
                (gutter(4), BETWEEN),
            ),
            ("apply", "model"): lane("model", 5),
            ("apply", "clip"): lane("clip", 5),
        },
    )


def images_of(text: str, after: Out, first: int, top: int, below: int | None = None) -> Part:
    """Images of a prompt with the original and the erased MODEL: prompts in a column, images right of it.

    below: the y where the wire of the erased MODEL passes under the prompts, if it comes from their left.
    """
    at, right = column(first), first + 1
    part = Part(
        (
            prompt("positive", text, "Prompt", (at, top), (WIDTH, 90)),
            prompt("negative", "", "Negative prompt", (at, top + 140), (WIDTH, 80)),
            latent((at, top + 270), 4, WIDTH),
        ),
        (box("Prompt", first, top, top + 376),),
        {
            ("positive", "clip"): lane("clip", first, top),
            ("negative", "clip"): lane("clip", first, top + 140),
            ("before", "model"): lane("model", right),
        },
    )
    around = {("after", "model"): ((gutter(first), below), (gutter(right), below))} if below else {}
    return part + before_and_after(after, right) + Part((), routes=around)


def before_and_after(after: Out, first: int, before: Out = MODEL, **sampling: object) -> Part:
    """Samplers in a column, and right of it the images of both."""
    x, shown = column(first), (column(first + 1), 0)
    return Part(
        (
            sampler("before", before, (x, 0), "before", **sampling),
            sampler("after", after, (x, 318), "after", **sampling),
            *rows(shown),
        ),
        (Group("Same seed, before and after", (x - 20, TOP), (PITCH + 710, 680), GREEN),),
        {
            ("decode", "vae"): (*lane("vae", first + 1)[:1], (shown[0] + 190, LANES["vae"][0])),
            **routes_of_rows(shown),
        },
    )


def evidence(
    node: str, at: int, title: str, height: int, after: Out = ERASED, width: int = 560, **values: object
) -> Part:
    """Score Erasure or Probe Erasure in a column. `values` with a prior connect that of the second column."""
    inputs = {"before": MODEL, "after": after, "clip": CLIP, "vae": VAE}
    inputs |= {"concepts": Out("concepts"), "latent": Out("latent"), "seed": 7, "cfg": 4.0, **values}
    return Part(
        (Node("evidence", node, (column(at), 0), inputs, (width, height)),),
        (Group(title, (column(at) - 20, TOP), (width + 40, height - TOP + 20), GREEN),),
        {
            ("evidence", "before"): lane("model", at),
            ("evidence", "clip"): lane("clip", at),
            ("evidence", "vae"): lane("vae", at),
            ("evidence", "concepts"): lane("concepts", at, start=2) if at > 3 else (),
            **({("evidence", "prior"): lane("prior", at, start=2)} if "prior" in values else {}),
        },
    )


def latent_of(number: int, top: int) -> Part:
    """The latent whose size Score Erasure and Probe Erasure generate, in a column."""
    node = latent((column(number), top), 1, WIDTH)
    return Part((node,), (box("Size of the images", number, top, top + 106),))


def grid(number: int, title: str) -> Part:
    """The grid of images from Score Erasure or Probe Erasure, large, in a column."""
    x, size = column(number), (520, 960)
    node = Node("grid", "PreviewImage", (x, 0), {"images": Out("evidence", "grid")}, size, title)
    return Part((node,), (Group(title, (x - 20, TOP), (size[0] + 40, size[1] - TOP + 20), BROWN),))
