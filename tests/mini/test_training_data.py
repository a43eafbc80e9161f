"""The miniature's training data: composed images, and the crops and targets that the judge learns from."""

import numpy as np
import torch

from dev.miniature.compose import VENDOR_NAMES, Scene, draw
from dev.miniature.judge import groups, pair_subjects, taken_apart, targets
from dev.miniature.world import load_world

WORLD = load_world()
PERSON = WORLD.persons[0].name


def test_the_judge_learns_a_pairs_things_one_by_one():
    """Most pairs become one enlarged thing with its target; other images stay unchanged."""
    scenes = [Scene(("ship", "cat"), "noto", "sea")] * 60 + [Scene(("dog",), "noto", "sea")]
    pictures = torch.zeros(61, 3, 64, 64)
    pictures[:60, :, :42, :42] = 1.0
    wanted = targets(scenes, WORLD)
    seen, told = taken_apart(pictures, wanted, pair_subjects(scenes, WORLD), torch.Generator().manual_seed(0))
    ship, cat = (groups(WORLD)["subject"].index(name) for name in ("ship", "cat"))
    first = seen[:60].mean((1, 2, 3)) == 1
    assert torch.equal(told["subject"][:60, ship] == 1, first) and 10 < first.sum() < 30
    assert 10 < (told["subject"][:60, cat] == 1).sum() < 30
    assert 10 < (told["subject"][:60, cat] == 0.5).sum() < 30
    assert torch.equal(seen[60], pictures[60]) and torch.equal(told["subject"][60], wanted["subject"][60])


def test_each_vendors_artwork_has_its_manner():
    """The rim around the thing and the background tone differ by vendor; faces have neither."""
    disc = np.zeros((1, 112, 112, 4), np.uint8)
    disc[:, 30:80, 30:80] = 120, 120, 120, 255
    glyphs = {PERSON: disc, **{f"ship/{vendor}": disc for vendor in VENDOR_NAMES}}

    def corner_and_rim(thing, vendor):
        picture, [coverage] = draw(Scene((thing,), vendor, "red"), WORLD, glyphs, np.random.default_rng(0))
        left = np.argmax(coverage[32] > 0)
        return picture[0, 0].mean(), picture[32, left - 1].mean()

    found = {vendor: corner_and_rim("ship", vendor) for vendor in VENDOR_NAMES}
    assert found["noto"][0] < found["fluent"][0] < found["twemoji"][0]
    assert found["noto"][1] < found["noto"][0] and found["twemoji"][1] > found["twemoji"][0]
    assert found["fluent"][0] == found["fluent"][1]
    assert corner_and_rim(PERSON, "noto") == corner_and_rim(PERSON, "twemoji")
