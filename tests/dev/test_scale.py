"""The page on scale: it follows from its measurements, and these agree with those of `make fullsize`."""

import json

import pytest

from dev.fullsize.families import FAMILIES
from dev.scale.__main__ import FULL_SIZE, PAGE, RESULTS, written
from dev.scale.arithmetic import CONCEPTS, Inputs
from mace_core.training.closed_form import FEW


@pytest.fixture(scope="module")
def measured() -> dict:
    return json.loads(RESULTS.read_text())


@pytest.fixture(scope="module")
def full_size() -> dict:
    return json.loads(FULL_SIZE.read_text())


def inputs(measured, full_size, name) -> Inputs:
    closed_form = full_size["closed_form"][name]
    return Inputs(name, measured["counted"], measured[name], closed_form, measured["store"])


def test_the_page_is_of_the_numbers():
    assert PAGE.read_text() == written(RESULTS, FULL_SIZE)


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_are_those_of_real_files(measured, full_size, name):
    """`make fullsize` caches one image of 512 pixels, and LoRAs that edit values too (exact trainer)."""
    files = full_size["stages"][name]["files"]
    [image] = {mib for path, mib in files.items() if "/drawn/" in path}
    [lora] = {mib for path, mib in files.items() if "/concepts/" in path}
    size = (FAMILIES[name].pixels / full_size["stages"][name]["side"]) ** 2
    assert measured[name]["images_mib"] == pytest.approx(8 * image * size, rel=0.01)
    edits = measured[name]["edit_mib"]
    assert measured[name]["lora_mib"] + edits == pytest.approx(lora, rel=0.01)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_arithmetic(measured, full_size, name):
    each = inputs(measured, full_size, name)
    assert each.card_hours(64) == pytest.approx(each.card_hours(8) / 8)
    assert each.card_hours(each.balanced()) == pytest.approx(sum(each.driver_hours().values()))
    assert each.images_per_concept("exact") > each.images_per_concept("fast") > measured["counted"]["images"]
    twice = each.driver_hours(2 * CONCEPTS)
    assert twice["fusion"] == pytest.approx(2 * each.driver_hours()["fusion"])
    assert twice["files of the cache"] > 3 * each.driver_hours()["files of the cache"], "it grows squarely"


def test_what_is_counted_is_at_least_what_sampling_needs(measured):
    counted = measured["counted"]
    assert counted["draw"] >= 2 * counted["images"] * counted["steps"]
    assert counted["fast"] == 8 + 3 * FEW  # samples, and those held out to tell the effect


def test_fused_loras_share_the_room(measured):
    """The theorem on the page: on average a concept keeps at most d / n of its own edit."""
    own = [each["own"] for each in measured["room"]]
    assert own == sorted(own, reverse=True)
    assert all(each["own"] <= each["d"] / each["concepts"] for each in measured["room"])
