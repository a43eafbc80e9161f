"""Scoring: which prompts are generated and classified, and the metrics computed from the results."""

import pytest
import torch

from mace_core.concepts.concepts import Concept, with_synonyms
from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.prompt_sets import (
    AUTOMATIC,
    Keep,
    choose_kept,
    everyday_vocabulary,
    known_names,
    parse_keep,
    prompt_sets,
)
from mace_core.evaluation.scores import (
    Accuracies,
    ClipScores,
    Drift,
    SetScore,
    Verdict,
    drift,
    summary,
    verdict,
)

WORLD = everyday_vocabulary()
SHIP = Concept("ship", "sea")


def sets_of(concepts=(SHIP,), keep=("cat", "dog", "bus", "tree", "hat"), near=(1, 2, 3, 4, 5), synonyms=""):
    kept = parse_keep("\n".join(keep), concepts, WORLD)
    return prompt_sets(concepts, with_synonyms(concepts, synonyms), kept, near, WORLD)


def test_groups_and_prompts():
    sets = sets_of(synonyms="boat, vessel")
    assert [(each.group, each.phrase) for each in sets] == [
        ("erased", "ship"),
        ("synonym", "boat"),
        ("synonym", "vessel"),
        ("neighbour", "bus"),
        ("neighbour", "tree"),
        ("neighbour", "hat"),
        ("kept", "cat"),
        ("kept", "dog"),
    ]
    assert sets[1].prompt == "a photo of the boat" and sets[1].expected == "ship"
    assert sets[0].answers["sea"] == "a photo of a sea", "the surrogate can be an answer"
    assert "boat" not in sets[0].answers, "a synonym among the answers would hide the concept"


def test_synonyms_that_the_erasure_was_told_are_marked():
    told = Concept("ship", "sea", synonyms=("boat",))
    given = {each.phrase: each.given for each in sets_of((told,), synonyms="ship: vessel")}
    assert given["boat"] and not given["vessel"] and not given["ship"]


def test_another_name_of_something_known_takes_its_place():
    car = Concept("car", "street", synonyms=("automobile",))
    answers = sets_of((car,))[0].answers
    assert "car" in answers and "automobile" not in answers
    everyday = known_names((Concept("car", "street"),), WORLD)
    assert "automobile" not in {each.phrase for each in everyday}


def test_styles_are_judged_among_styles():
    monet = Concept("Monet", "art", "style")
    sets = sets_of((monet,), keep=("cubism", "cat", "style: Turner"), near=(3, 2, 1))
    assert {each.phrase: each.kind for each in sets} == {
        "Monet": "style",
        "cubism": "style",
        "cat": "object",
        "Turner": "style",
    }
    assert "cat" not in sets[0].answers and "art" not in sets[0].answers
    assert sets[0].prompt == sets[0].answers["Monet"] == "a picture in the style of Monet"


def test_what_stays_is_read_line_by_line():
    text = "cat # ours\nCat\n\nprompt: two children on a beach\nperson: Ann Lee"
    assert parse_keep(text, (SHIP,), WORLD) == (
        Keep("cat", "object"),
        Keep("two children on a beach", "prompt"),
        Keep("Ann Lee", "person"),
    )
    drawn = {each.phrase: each for each in sets_of(keep=("cat", "prompt: a quiet day"), near=(0, -1))}
    assert drawn["a quiet day"].prompt == "a quiet day" and not drawn["a quiet day"].answers


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("the ship", "preserved and erased"),
        ("animal: cat", "unknown kind"),
        ("style:", "no name"),
    ],
)
def test_what_cannot_stay_is_refused(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        parse_keep(text, (SHIP,), WORLD)


def test_automatic_are_the_nearest_and_the_first_of_the_kind():
    known = known_names((SHIP,), WORLD)
    assert "ship" not in {each.phrase for each in known}
    near = [float(each.phrase in ("umbrella", "house", "bread")) for each in known]
    chosen = [each.phrase for each in choose_kept(known, near, (SHIP,))]
    assert set(chosen[:3]) == {"umbrella", "house", "bread"} and len(chosen) == AUTOMATIC
    assert chosen[3:5] == ["airplane", "automobile"]


def test_beside_a_style_objects_stay_too():
    monet = Concept("Claude Monet", "art", "style")
    known = known_names((monet,), WORLD)
    kinds = [each.kind for each in choose_kept(known, [0.0] * len(known), (monet,))]
    assert kinds.count("object") == 3 and len(kinds) == AUTOMATIC


def test_everyday_names_do_not_contain_each_other():
    everyday = KINDS["object"].everyday
    names = list(everyday)
    assert not [(a, b) for a in names for b in names if a != b and a in b.split()]
    assert names[:10] == [name for name, synonyms in everyday.items() if synonyms]


def test_a_verdict_counts_the_expected_answer():
    drawn = sets_of()[0]
    label = list(drawn.answers).index("ship")
    probabilities = torch.zeros(4, len(drawn.answers))
    probabilities[:, 0], probabilities[:3, label] = 0.4, 0.6
    said = verdict(drawn, probabilities, torch.tensor([0.5, 0.3, -0.2, 0.0]))
    assert (said.top1, said.mean_probability) == (0.75, pytest.approx(0.45))
    assert said.clip == pytest.approx(20.0)
    assert verdict(drawn, None, torch.tensor([0.1])) == Verdict(None, None, pytest.approx(10.0))


def score(drawn, before, after) -> SetScore:
    sides = Verdict(before, before / 2, 60.0), Verdict(after, after / 2, 20.0)
    return SetScore(drawn, *sides, Drift(0.1, 0.4))


def test_the_summary_is_the_papers():
    sets = sets_of(keep=("cat", "dog"), near=(1, 0), synonyms="boat")
    scores = [
        score(drawn, before, after)
        for drawn, before, after in zip(sets, (1.0, 0.8, 0.9, 0.7), (0.1, 0.3, 0.8, 0.6), strict=True)
    ]
    figures = summary(scores)
    after = figures.top1.after
    assert (after.acc_e, after.acc_g, after.acc_s) == pytest.approx((0.1, 0.3, 0.7))
    assert after.h_o == pytest.approx(3 / (1 / 0.9 + 1 / 0.7 + 1 / 0.7))
    assert after.h_c == pytest.approx(2 / (1 / 0.9 + 1 / 0.7))
    assert figures.top1.relative.h_c == pytest.approx(2 / (1 / 0.9 + 0.8 / 0.7))
    assert figures.mean_probability.after.acc_s == pytest.approx(0.35)
    assert figures.clip.after == ClipScores(20.0, 20.0, 0.0)
    assert figures.drift.to_json() == pytest.approx({"kept": 0.1, "another_seed": 0.4})
    assert figures.to_json()["top1"]["after"]["acc_e"] == pytest.approx(0.1)


def test_nothing_is_made_up_where_nothing_was_measured():
    figures = summary([score(sets_of()[0], 1.0, 0.0)])
    assert figures.top1.after == Accuracies(0.0, None, None, None, None)
    assert figures.clip.after.h_a is None and figures.drift.kept is None


def test_drift_is_nothing_for_equal_pictures_and_needs_two_seeds_to_compare():
    pictures = torch.rand(3, 4, 4, 3, generator=torch.Generator().manual_seed(0))
    assert drift(pictures, pictures).pixels == 0
    assert drift(pictures, pictures).another_seed > 0.1
    assert drift(torch.zeros(1, 4, 4, 3), torch.ones(1, 4, 4, 3)) == Drift(1.0, None)
