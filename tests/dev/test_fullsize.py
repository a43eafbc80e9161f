"""The measurements behind `make fullsize`; its committed tables must match its committed numbers."""

import json
import math

import pytest
import torch

from dev.bench.markdown import with_marked
from dev.fullsize.__main__ import KINDS, RESULTS
from dev.fullsize.families import FAMILIES
from dev.fullsize.measure import MIB, peak_allocated, stage
from dev.fullsize.report import tables
from dev.fullsize.summary import BEGIN, END, README, summary


@pytest.fixture(scope="module")
def results():
    return json.loads(RESULTS.read_text())


def test_the_peak_is_what_was_held_at_once():
    def work():
        for _ in range(3):
            torch.zeros(MIB)  # 4 MiB of float32, freed at once
        held = torch.zeros(2 * MIB)
        return held, torch.zeros(MIB)

    assert peak_allocated(work) == pytest.approx(12, abs=0.1)


def test_a_stage_has_a_peak_of_its_own():
    _, large = stage(lambda: torch.ones(50 * MIB).sum())
    result, small = stage(lambda: 7)
    assert result == 7 and large["rss_peak"] - large["rss_before"] > 190
    assert small["rss_peak"] - small["rss_before"] < 20


def test_the_tables_are_of_the_numbers(results):
    assert RESULTS.with_suffix(".md").read_text() == tables(results)


def test_readme_has_the_numbers_too(results):
    assert README.read_text() == with_marked(README.read_text(), BEGIN, END, summary(results))
    assert all(f"| {family.name} |" in README.read_text() for family in FAMILIES.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_was_measured_whole(results, name):
    assert all(name in results[kind] for kind in KINDS)
    seconds = [row["seconds"] for row in results["stages"][name]["stages"]]
    assert len(seconds) >= 15 and all(math.isfinite(value) for value in seconds)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_pack_asks_for_as_much_memory_as_training_takes(results, name):
    """Too low an estimate runs out of GPU memory; too high an estimate recomputes activations in vain."""
    for mode, peaks in results["memory"][name]["modes"].items():
        assert peaks["extrapolated"] <= peaks["estimate"] * 1.02, mode
    kept = results["memory"][name]["modes"]["kept"]
    assert kept["estimate"] < 2 * kept["extrapolated"]
