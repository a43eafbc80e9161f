"""The frozen splits: the committed file matches the seed, and no task is tuned on concepts that it erases."""

import json

import pytest

from dev.miniature.splits import MASS, NARROWER, PERSONS, RENDERINGS, SPLITS_FILE, draw, namesakes, text
from dev.miniature.world import load_world

WORLD = load_world()
KIND = {thing.name: thing.kind for thing in WORLD.things}
TASKS = {task: runs for task, runs in json.loads(SPLITS_FILE.read_text()).items() if task != "seed"}
RUNS = [(task, run) for task, runs in TASKS.items() for run in runs]


def kinds(names: list[str]) -> list[str]:
    return [KIND[name] for name in names]


def test_the_committed_file_is_what_the_seed_draws():
    assert SPLITS_FILE.read_text() == text(draw(WORLD))


@pytest.mark.parametrize("task, run", RUNS)
def test_every_name_exists_and_nothing_erased_is_kept(task, run):
    split = TASKS[task][run]
    names = [*split["erase"], *split["keep"], *split.get("never", [])]
    assert set(names) <= set(KIND)
    assert len(set(names)) == len(names)
    assert split["erase"] and split["keep"]


def test_the_papers_ten_classes_go_one_at_a_time_and_the_other_nine_stay():
    classes = [thing.name for thing in WORLD.objects[:10]]
    assert list(TASKS["objects"]) == classes
    for name, split in TASKS["objects"].items():
        assert (split["erase"], split["keep"]) == ([name], [other for other in classes if other != name])
        assert len(split["never"]) == 30


@pytest.mark.parametrize("task, counts, kind", [("mass", MASS, "object"), ("persons", PERSONS, "person")])
def test_longer_lists_contain_the_shorter_ones(task, counts, kind):
    erased = [TASKS[task][str(count)]["erase"] for count in counts]
    assert [len(names) for names in erased] == list(counts)
    assert set(kinds(erased[-1])) == {kind}
    for shorter, longer in zip(erased, erased[1:], strict=False):
        assert longer[: len(shorter)] == shorter


def test_every_object_is_erased_or_kept_in_the_mass_task():
    for split in TASKS["mass"].values():
        assert {*split["erase"], *split["keep"], *split["never"]} == {thing.name for thing in WORLD.objects}


def test_half_of_what_stays_is_named_and_half_is_not():
    for task in ("tuning", "mass", "persons"):
        for split in TASKS[task].values():
            assert len(split["keep"]) - len(split["never"]) in (0, 1)
    assert all(len(TASKS["mass"][count]["never"]) >= 30 for count in ("1", "5", "10", "50"))


@pytest.mark.parametrize("task", ["objects", "styles"])
def test_at_least_thirty_objects_are_never_named_and_were_never_tuned_on(task):
    tuned = {name for names in TASKS["tuning"]["all"].values() for name in names}
    for split in TASKS[task].values():
        never = [name for name in split["never"] if KIND[name] == "object"]
        assert len(never) >= 30 and not tuned & set(never)


def test_two_of_the_four_other_styles_are_never_named():
    for split in TASKS["styles"].values():
        assert kinds(split["keep"]).count("style") == kinds(split["never"]).count("style") == 2


def test_wider_and_narrower_names_are_erased_one_by_one_and_the_prior_names_none_of_them():
    runs = {run: split for run, split in TASKS["related"].items() if run != "together"}
    named = {name for wide, narrow in NARROWER.items() for name in (wide, *narrow)}
    assert set(runs) == named
    for run, split in runs.items():
        assert split["erase"] == [run] and not named & set(split["keep"])
        assert set(split["never"]) == {*NARROWER.get(run, ()), *(w for w, n in NARROWER.items() if run in n)}
    assert len(TASKS["related"]["together"]["erase"]) == 10
    assert min(len(TASKS["related"]["together"][side]) for side in ("keep", "never")) >= 30


def test_namesakes_of_erased_persons_are_kept():
    for split in TASKS["persons"].values():
        assert set(split["namesakes"]) <= {*split["keep"], *split["never"]}
        assert split["namesakes"] == namesakes(WORLD, split["erase"])
    assert set(namesakes(WORLD, ["Mira Vance"])) == {"Mira Marlow", "Hugo Vance"}


def test_the_mixed_run_has_thirty_objects_ten_persons_and_a_style_of_each_sort():
    erased = TASKS["mixed"]["all"]["erase"]
    assert kinds(erased) == ["object"] * 30 + ["person"] * 10 + ["style"] * 2
    assert sum(name in RENDERINGS for name in erased) == 1


def test_defaults_are_tuned_on_concepts_no_task_erases():
    tuned = set(TASKS["tuning"]["all"]["erase"])
    assert set(kinds(list(tuned))) == {"object", "person", "style"}
    for task, run in RUNS:
        if task != "tuning" and (task, run) != ("persons", "20"):  # this run erases every person
            assert not tuned & set(TASKS[task][run]["erase"])
    tuning = TASKS["tuning"]["all"]
    watched = {*tuning["keep"], *tuning["never"]} & {thing.name for thing in WORLD.objects}
    assert watched <= set(TASKS["mass"]["50"]["erase"])
    assert not watched & set(TASKS["objects"])
