"""How `make mass` and `make results` compare methods, plan runs and write tables."""

import json
from math import hypot

import pytest
import torch

from dev.bench import erasures
from dev.bench import readme_table as summary
from dev.bench.errors import apart
from dev.bench.markdown import with_marked
from dev.bench.tasks import Task, run
from dev.bench.uce import IDENTITY, LEAST_PRESERVED, from_last_token, uce
from dev.mass import figures as mass_figures
from dev.mass import plan as mass_plan
from dev.mass import report as mass_report
from dev.results import plan as results_plan
from dev.results import report as results_report
from dev.results.measure import RESULTS
from tests.core.toy import ToyTextEncoder

PAIRS = [("ship", "the sea"), ("Mira Vance", "a person")]
KEEP = ["cat", "dog", "house"]


def test_uce_solves_its_own_equation():
    encoder = ToyTextEncoder(d=24)
    T = uce(encoder, PAIRS, KEEP)
    left = right = IDENTITY * torch.eye(24, dtype=torch.float64)
    for name in ["", *KEEP]:
        for c in encoder.encode([name]).embeddings[0].double():
            both = max(LEAST_PRESERVED, 1 / 4) * torch.outer(c, c)
            left, right = left + both, right + both
    for name, surrogate in PAIRS:
        for c, v in zip(from_last_token(encoder, name), from_last_token(encoder, surrogate), strict=False):
            left, right = left + torch.outer(v, c), right + torch.outer(c, c)
    torch.testing.assert_close(T @ right, left)


def test_uce_reads_a_name_from_its_last_token():
    encoder = ToyTextEncoder()
    assert len(from_last_token(encoder, "ship")) == 76
    assert len(from_last_token(encoder, "Mira Vance")) == 75


def test_uce_of_nothing_changes_nothing():
    torch.testing.assert_close(uce(ToyTextEncoder(d=16), [], KEEP), torch.eye(16, dtype=torch.float64))


def test_finished_tasks_are_not_done_again(tmp_path):
    (tmp_path / "a, b.json").write_text('{"x": 1}')
    assert run([Task("a, b", "nowhere:nothing", {})], tmp_path, 1, 1) == {"a, b": {"x": 1}}


@pytest.mark.parametrize(
    "tasks",
    [mass_plan.training_tasks() + mass_plan.measuring_tasks(), *map(results_plan.tasks, results_plan.TABLES)],
)
def test_no_task_erases_what_it_keeps_and_names_are_unique(tasks):
    assert len({task.name for task in tasks}) == len(tasks)
    for task in tasks:
        assert not {*task.given.get("erase", ())} & {*task.given.get("keep", ())}, task.name


def test_what_is_measured_has_been_trained_before():
    trained = {name for task in mass_plan.training_tasks() for name in task.given["erase"]}
    asked = {
        name for task in mass_plan.measuring_tasks() if "method" in task.given for name in task.given["erase"]
    }
    assert asked <= trained


def test_the_groups_of_the_mixed_run_are_judged_by_tasks_on_the_same_number_of_pictures():
    tasks = {task.name: task for task in mass_plan.measuring_tasks()}
    for kind in mass_plan.KINDS:
        told = [tasks[name].given for name in mass_plan.of_mixed(kind)]
        assert len({each["times"] for each in told}) == 1
        assert all(set(mass_plan.of_kind(told[2]["asked"], kind)) <= set(each["asked"]) for each in told)
        assert [bool(each["erase"]) for each in told] == [False, True, True]


def test_scores_of_hand_made_shares():
    before = {"a": 1.0, "b": 1.0, "c": 0.5}
    split = {"erase": ["a"], "keep": ["b", "c"], "never": ["d", "e"]}
    shares = {"a": 0.1, "b": 0.9, "c": 0.45, "d": 0.4, "e": 0.8}
    found = mass_figures.scores(shares, before | {"d": 0.8, "e": 0.8}, split)
    assert (found["acc_e"], found["acc_s"], found["acc_s_before"]) == (10.0, 67.5, 75.0)
    assert found["h_c"] == pytest.approx(100 * 2 / (1 / 0.9 + 1 / 0.675), abs=0.01)
    assert found["h_c_relative"] == pytest.approx(90.0)
    assert (found["never"], found["never_before"], found["never_share"]) == (60.0, 80.0, 75.0)
    assert found["never_error"] == pytest.approx(
        100 * 0.2
    )  # differences of -0.4 and 0: mean -0.2, deviation 0.28
    assert mass_figures.scores(shares, before, split | {"never": []}).keys() < found.keys()


def test_the_price_of_an_export_is_measured_with_each_ridge():
    assert erasures.FUSING.items() <= erasures.REFINING.items()  # one ridge in both stages
    results = {
        task.name: dict.fromkeys(mass_plan.kinds(), 0.5) for task in mass_plan.measuring_tasks("objects")
    }
    for name, shares in results.items():
        for method, inputs in erasures.FUSING.items():
            if name.startswith(f"{method}, "):
                shares.update(dict.fromkeys(shares, inputs["relative_ridge"]))
    found = mass_figures.figures(results, "objects")
    assert {
        ridge: {each["acc_e"] for each in counts.values()} for ridge, counts in found["ridged"].items()
    } == {
        "0.05": {5.0},
        "0.2": {20.0},
        "0.5": {50.0},
    }
    assert {each["acc_e"] for each in found["linear"].values()} == {50.0}


measured = pytest.mark.skipif(not (RESULTS / "mass.json").exists(), reason="`make mass` has not been run yet")


def committed(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


@measured
def test_the_page_of_mass_erasure_is_of_its_numbers():
    found = committed("mass")
    assert (RESULTS / "mass.md").read_text() == mass_report.tables(found, found["setting"])


@pytest.mark.parametrize("name", results_plan.TABLES)
def test_the_pages_of_results_are_of_their_numbers(name):
    if not (RESULTS / f"{name}.json").exists():
        pytest.skip(f"`python -m dev.results {name}` has not been run yet")
    found = committed(name)
    page = getattr(results_report, name)(found[name], found["setting"])
    assert (RESULTS / f"{name}.md").read_text() == page


def test_the_order_of_the_ablation_claims_only_what_is_two_errors_apart():
    steps = zip(mass_report.ORDER, ((60, 74.5), (80, 88.4), (81, 89.0)), strict=True)
    found = {
        name: {"acc_e": 2.0, "acc_e_error": 0.5, "acc_s": acc_s, "acc_s_error": 3.0, "h_c": h_c}
        for name, (acc_s, h_c) in steps
    }
    first, second, third = mass_report.ORDER
    said = mass_report._order(found)
    assert f"from {first} to {second} it rises; {second} and {third} cannot be told apart." in said
    found[third]["h_c"] = 50.0
    assert f"from {second} to {third} it **falls**" in mass_report._order(found)


# Sentence of README -> (the better, the worse) figures of mass.json that it compares.
CLAIMS = {
    "in which concepts that nobody names suffer too": [(("mass", "10"), ("linear", "10"))],
    "most of all when dozens are erased at once": [
        (("linear", "10"), ("linear", "50")),
        (("linear", "10"), ("linear", "100")),
    ],
}


@measured
@pytest.mark.parametrize("claim", CLAIMS)
def test_what_readme_claims_is_two_standard_errors_apart(claim):
    found, words = committed("mass"), " ".join(summary.README.read_text().split())
    assert claim in words
    for better, worse in CLAIMS[claim]:
        one, other = (found[form][count] for form, count in (better, worse))
        difference = one["never_share"] - other["never_share"]
        assert difference > 0 and apart(difference, hypot(one["never_error"], other["never_error"]))


@measured
def test_readme_has_the_numbers_too():
    page = summary.README.read_text()
    assert page == with_marked(page, summary.BEGIN, summary.END, summary.summary())
    assert "[100 objects]" in page


def test_the_exact_trainer_may_lose_three_points():
    each = {"never_share": 50.0, "acc_e": 1.0, "acc_s": 90.0}
    found = {
        "linear": {count: each | {"h_c_relative": 95.0} for count in ("10", "50")},
        "exact": {"10": each | {"h_c_relative": 92.0}, "50": each | {"h_c_relative": 91.9}},
    }
    page = mass_report._trainers(found)
    assert "| 92.0 | -3.0 | yes |" in page and "| 91.9 | -3.1 | **no** |" in page
