"""Files in the repository: small, credited, and covered by an up-to-date report."""

import json
import re

import pytest

from dev.host.fetch import REPOSITORY
from dev.miniature.art import PACKAGES
from dev.miniature.figures import card
from dev.miniature.figures.others import binaries, megabytes
from dev.miniature.report import REPORT, fingerprints, from_json
from dev.miniature.world import load_world
from mini.checkpoint import CHECKPOINT, FILES, LORAS


def test_the_files_are_as_small_as_promised():
    assert megabytes(FILES / CHECKPOINT) <= 16
    assert megabytes(LORAS) <= 0.3
    assert megabytes(FILES / "judge") <= 4
    assert sum(megabytes(path) for path in binaries()) <= 24
    assert {FILES / CHECKPOINT, FILES / "judge/model.safetensors"} <= set(binaries())


@pytest.mark.parametrize("package", [re.sub(r"@[\d.]+$", "", package) for package in PACKAGES])
def test_every_source_of_artwork_is_credited(package):
    notice = (REPOSITORY / "NOTICE").read_text()
    lines = [line for line in notice.splitlines() if package in line]
    assert lines, f"add {package} and its licence to NOTICE"
    assert all(re.search(r"Apache|MIT|CC-BY 4\.0|OFL", line) for line in lines)


def test_the_world_is_as_large_as_promised():
    world = load_world()
    assert len(world.objects) + len(world.persons) >= 120
    assert len(world.styles) >= 5


@pytest.mark.skipif(not REPORT.exists(), reason="`make mini-report` has not been run yet")
def test_the_report_is_of_these_files_and_the_card_of_this_report():
    text = REPORT.read_text()
    assert json.loads(text)["files"] == fingerprints(), "the files have changed: run `make mini-report`"
    figures = from_json(text)
    assert {
        "judge_all", "judge_persons", "judge_styles", "names", "names_least", "synonyms", "templates",
        "persons", "styles", "pairs", "word_alone", "without_word", "attention", "seconds", "latents_host",
        "latents_diffusers", "concepts", "model_megabytes", "judge_megabytes", "binary_megabytes",
    } == set(figures)  # fmt: skip
    assert card.table(figures) in card.CARD.read_text()
    assert card.SHEET.is_file() and card.CURVES.is_file()
