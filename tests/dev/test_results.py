"""How `make results` counts: errors over concepts, what nobody named, differences from the default."""

import json

import pytest
import torch

from dev.bench.erasures import FULL, LINEAR, UNEDITED
from dev.bench.errors import apart, error, paired, share_of_before
from dev.mass.plan import splits
from dev.miniature.compose import FADE
from dev.results import figures, harden, plan, report
from dev.results.related import colour_table, colours_of
from mace_core.erasure.harden import LEVELS
from mini.vocabulary import load_world

SETTING = {"images": 1, "steps": 1, "cfg": 4.0, "sampler": "euler", "learning": 1}


def test_an_error_is_over_the_concepts_and_one_concept_has_none():
    assert error([0.0, 1.0]) == pytest.approx(0.5) and error([0.5]) == 0
    assert paired({"a": 0.5, "b": 1.0}, {"a": 0.5, "b": 0.5}) == {"difference": 25.0, "error": 25.0}
    share, points = share_of_before({"a": 0.4, "b": 0.8}, {"a": 0.8, "b": 0.8}, ["a", "b"])
    assert share == pytest.approx(75) and points == pytest.approx(20)


def test_a_difference_counts_from_two_errors_on_and_never_without_an_error():
    assert apart(4.0, 2.0) and apart(-4.0, 2.0)
    assert not apart(3.9, 2.0) and not apart(0.0, 0.0) and not apart(50.0, 0.0)


def results_of(table: str, share) -> dict:
    """A result for every task of a table, with `share(method, name)` for each name."""
    found = {}
    for task in plan.tasks(table):
        given, method = task.given, task.given.get("method", "")
        names = [name for side in ("erase", "keep", "never") for name in given.get(side, ())]
        shares = {name: share(method, name) for name in names}
        what = task.function.rpartition(":")[2]
        if what == "objects":
            synonyms = {name: share(method, name) for name in given["erase"]}
            found[task.name] = {"names": shares, "synonyms": synonyms}
        elif what == "robustness":
            top1 = {"before": 1.0, "after": 0.5}
            found[task.name] = {"a": {"concepts": 1, "top1": top1}, "b": {"concepts": 0, "top1": top1}}
        elif what == "colours":
            found[task.name] = {
                name: {"object": share(method, name), "colour": 0.5} for name in given["asked"]
            }
        elif what == "pairs":
            found[task.name] = [[share(method, name) for name in pair] for pair in given["asked"]]
        else:
            found[task.name] = shares
    return found


def spared(method: str, name: str) -> float:
    """A share that only the linear form lowers, and for half of the names."""
    return 0.5 if method == LINEAR and len(name) % 2 else 1.0


def test_the_default_comes_first_and_what_nobody_named_is_the_first_column():
    found = figures.objects(results_of("objects", spared))
    assert next(iter(found["methods"])) == FULL
    never = splits()["objects"]["ship"]["never"]
    expected = 100 * sum(spared(LINEAR, name) for name in never) / len(never)
    for rows in (found["methods"][LINEAR]["ship"], found["methods"][LINEAR]["average"]):
        assert rows["never"] == pytest.approx(expected) and rows["never_error"] > 0
    assert found["methods"][FULL]["average"]["never"] == 100.0
    page = report.objects(found, SETTING)
    assert page.index("MACE, gated (default)\n") < page.index("## MACE, linear")
    assert "| class | never named |" in page


def test_differences_from_the_default_are_bold_only_if_two_errors_apart():
    found = figures.objects(results_of("objects", spared))
    assert FULL not in found["compared"]
    found["compared"][LINEAR] = {
        "never": {"difference": -4.0, "error": 2.0},
        "acc_e": {"difference": 3.9, "error": 2.0},
        "acc_s": {"difference": -9.0, "error": 0.0},
        "acc_g": {"difference": 0.0, "error": 0.0},
    }
    page = report.objects(found, SETTING)
    line = next(line for line in page.splitlines() if line.startswith("| MACE, linear (for export) | "))
    assert "**-4.0 \u00b1 2.0** | +3.9 \u00b1 2.0 | -9.0 \u00b1 0.0 |" in line


def test_styles_count_objects_and_styles_that_nobody_named():
    found = figures.styles(results_of("styles", spared))
    row = found["methods"][LINEAR]["sepia"]
    assert row["never_styles"] == pytest.approx(75.0)  # noto stays, twemoji is halved
    assert row["style_after"] == 50.0 and row["never_error"] > 0
    page = report.styles(found, SETTING)
    assert "| erased | objects never named | styles never named | both at least 95 |" in page
    assert "| **no** |" in page.partition("## MACE, linear")[2]


def test_attacks_begin_with_what_nobody_named():
    found = figures.robustness(results_of("robustness", spared))
    assert set(found["attacks"]) == {"a"} and found["attacks"]["a"][FULL] == {"value": 50.0, "error": 0.0}
    page = report.robustness(found, SETTING)
    assert page.index("| never named | 100.0 |") < page.index("| a | 100.0")


def test_related_prompts_are_counted_per_concept():
    found = figures.related(results_of("related", spared))
    assert found["names"][FULL] == {"narrower": 100, "narrower_error": 0, "wider": 100, "wider_error": 0}
    split = splits()["related"]["together"]
    wanted = [spared(LINEAR, name) for name in split["never"][: plan.TINTED]]
    assert found["colours"][LINEAR]["never_object"] == pytest.approx(100 * sum(wanted) / len(wanted))
    assert found["colours"][LINEAR]["erase_colour"] == 100
    assert found["pairs"][UNEDITED]["before_never"] == 100
    assert 50 < found["pairs"][LINEAR]["never"] < 100
    page = report.related(found, SETTING)
    assert "## Two objects in a prompt" in page and "## A colour in the prompt" in page


def test_each_pair_has_one_erased_object_in_either_place():
    pairs, erased = plan.asked("pairs"), set(splits()["related"]["together"]["erase"])
    assert len(pairs) == 60 and all(len(erased & set(pair)) == 1 for pair in pairs)
    assert {first in erased for first, _ in pairs} == {True, False}
    assert len({name for pair in pairs for name in pair} - erased) == 60


def test_the_colour_of_a_frame_is_found_plain_and_faded():
    table = colour_table(load_world()["colours"])
    pictures = torch.zeros(3, 64, 64, 3)
    red = torch.tensor([200, 50, 50]) / 255
    pictures[0] = red
    pictures[1] = (1 - FADE) * red + FADE
    pictures[2] = torch.tensor([60, 110, 200]) / 255
    pictures[:, 8:-8, 8:-8] = 0.0  # what is in the middle does not count
    assert colours_of(pictures, table) == ["red", "red", "blue"]


def test_the_page_about_hardening_has_both_splits_and_the_levels_of_the_pack():
    found = {task.name: {} for task in harden.tasks()}
    for name, each in found.items():
        rounds = 1.0 if name.endswith(" 5") else 0.5
        each.update(dict.fromkeys(harden.ROWS, rounds), recovered=0.25, other=0.4, other_before=0.8)
    page = harden.page(found, {"without": 0, "rounds": 5, "learning": 100, "images": 8})
    assert "| frozen split: ship, dog, airplane | its own name | 50.0 \u00b1 0.0 | 100.0 \u00b1 0.0 |" in page
    assert "| **{:g}, {:g}** | **25.0 \u00b1 0.0** | **50.0 \u00b1 0.0** |".format(*LEVELS) in page


@pytest.mark.parametrize("share, met", [(0.25, "yes"), (0.3, "yes"), (0.375, "**no**")])
def test_the_page_about_hardening_says_what_of_the_frozen_split_is_met(share, met):
    found = {task.name: dict.fromkeys(harden.ROWS, 0.5) for task in harden.tasks()}
    for name, each in found.items():
        each.update(recovered=0.25, other=0.4, other_before=0.8)
        if name.endswith(" 5"):
            each.update(dict.fromkeys(harden.ROWS, share))
    page = harden.page(found, {"without": 0, "rounds": 5, "learning": 100, "images": 8})
    told = [line for line in page.splitlines() if line.endswith((" yes |", "**no** |"))]
    assert len(told) == 3 and all("frozen" in line and "learned" in line for line in told)
    assert all(line.endswith(f" {met} |") for line in told)


def test_the_committed_page_about_hardening_is_of_its_numbers():
    told = json.loads((harden.RESULTS / "harden.json").read_text())
    assert (harden.RESULTS / "harden.md").read_text() == harden.page(told["harden"], told["setting"])
