"""The measurements of related.md that need more than one name per prompt: a colour, or a second object.

All results can be represented in JSON.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dev.bench.bench import Bench
from dev.bench.erasures import erased
from dev.miniature.compose import FADE, MANNERS
from dev.miniature.judge import corners
from dev.results.plan import COLOURS
from mini.vocabulary import choices

TINTED, PAIR = "a photo of the {} on a {} background", "a photo of a {} and a {}"
FRAME = 2  # pixels at the border, where the background is seen
OF_PAIR = 8  # images per pair


def colours(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], asked: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Concept -> the share of images (0..1), over all COLOURS, that show the object, and the colour."""
    model, found = erased(bench, method, erase, keep), {}
    told = colour_table(bench.world["colours"])
    with bench.with_images(1):
        for name in asked:
            pictures = bench.drawn(model, [TINTED.format(name, colour) for colour in COLOURS])
            right = [seen == colour for seen, colour in zip(colours_of(pictures, told), COLOURS, strict=True)]
            found[name] = {"object": bench.share(pictures, name), "colour": sum(right) / len(right)}
    return found


def pairs(
    bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str], asked: Sequence[Sequence[str]]
) -> list[list[float]]:
    """For each pair of objects: the share of images (0..1) in which the judge sees the first in one of the
    two corners that hold a pair's things, and the same for the second."""
    model = erased(bench, method, erase, keep)
    with bench.with_images(OF_PAIR):
        pictures = bench.drawn(model, [PAIR.format(*pair) for pair in asked]).split(OF_PAIR)
    names, _ = choices(bench.world, bench.concepts[asked[0][0]])
    return [
        [sum(name in each for each in seen_in_corners(bench, part, names)) / OF_PAIR for name in pair]
        for pair, part in zip(asked, pictures, strict=True)
    ]


def seen_in_corners(bench: Bench, pictures: Tensor, names: Sequence[str]) -> list[set[str]]:
    """What the judge sees in both corners of each image ``[n, H, W, 3]``, which are enlarged for it."""
    enlarged = corners(pictures.permute(0, 3, 1, 2)).permute(0, 1, 3, 4, 2)
    best = [bench.judge.probabilities(each, list(names)).argmax(-1).tolist() for each in enlarged]
    return [{names[place] for place in both} for both in zip(*best, strict=True)]


def colour_table(colours: Mapping[str, Sequence[int]]) -> tuple[list[str], Tensor]:
    """Colours as backgrounds have them, ``[n, 3]`` in 0..1 with their names: plain, or faded by a style."""
    grounds = [ground for _, ground in MANNERS.values() if ground is not None]
    names, values = [], []
    for name, colour in colours.items():
        plain = torch.tensor(colour) / 255
        values += [plain, *((1 - FADE) * plain + FADE * ground / 255 for ground in grounds)]
        names += [name] * (1 + len(grounds))
    return names, torch.stack(values)


def colours_of(pictures: Tensor, told: tuple[list[str], Tensor]) -> list[str]:
    """The colour of the frame of each image ``[n, H, W, 3]``, the nearest one of `colour_table`."""
    names, values = told
    inside = torch.ones(pictures.shape[1:3], dtype=torch.bool)
    inside[FRAME:-FRAME, FRAME:-FRAME] = False
    frames = pictures[:, inside].median(1).values
    return [names[place] for place in torch.cdist(frames, values).argmin(1).tolist()]
