"""Each help page has a picture made by `make help-pictures`, a tip and, for the stages, the paper's place."""

import re

import pytest

from dev.host.fetch import REPOSITORY
from dev.workflows.help_pictures import PICTURES, SHOTS

PAGES = sorted((REPOSITORY / "web" / "docs").glob("*.md"))
KILOBYTE = 1000
ONE, ALL = 60 * KILOBYTE, 800 * KILOBYTE
PICTURE = re.compile(r"^!\[.{20,}\]\(images/(\S+)\)$", re.MULTILINE)
PAPER = {
    "MACE_CrossAttnRefine": ("4.1", "equations 1 and 2"),
    "MACE_PreservePrior": ("4.1", "equation 2"),
    "MACE_DrawConcepts": ("4.2",),
    "MACE_MaskConcepts": ("4.2", "equation 3"),
    "MACE_TrainConceptLoRA": ("4.2", "equations 3 to 5"),
    "MACE_FuseLoRAs": ("4.3", "equation 7"),
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_a_picture_and_ends_with_a_tip(page):
    text = page.read_text()
    assert PICTURE.findall(text) == [f"{page.stem}.jpg"]
    assert text.strip().split("\n\n")[-1].startswith("**Tip.** ")


@pytest.mark.parametrize("page", PAPER)
def test_the_page_of_a_stage_names_its_place_in_the_paper(page):
    text = (REPOSITORY / "web" / "docs" / f"{page}.md").read_text()
    (place,) = re.findall(r"^\*\*Paper\.\*\* (.+)$", text, re.MULTILINE)
    assert [part for part in PAPER[page] if part not in place] == []


def test_the_pictures_are_those_of_the_pages_and_small():
    pictures = sorted(PICTURES.iterdir())
    assert [each.stem for each in pictures] == [page.stem for page in PAGES]
    assert sorted(f"MACE_{shot.page}" for shot in SHOTS) == [page.stem for page in PAGES]
    sizes = [each.stat().st_size for each in pictures]
    assert max(sizes) <= ONE and sum(sizes) < ALL
