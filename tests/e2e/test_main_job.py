"""The paper's claims in small: the main job, through the server, on the trained miniature."""

import pytest

from demo.run import erase_and_draw
from dev.bench.plan import load_world, make_plan
from dev.bench.score import Scores, score

IMAGES = 8  # per prompt set


@pytest.fixture(scope="module")
def scores(host, judge) -> Scores:
    return scores_of("ship", host, judge)


def scores_of(concept: str, host, judge) -> Scores:
    plan = make_plan(load_world(), concept)
    _, pictures = erase_and_draw(host.client(), plan, IMAGES)
    return score(judge, plan, pictures)


def test_the_miniature_draws_what_is_to_be_erased(scores):
    assert scores.acc_e_before >= 80


def test_efficacy_the_concept_is_gone(scores):
    assert scores.acc_e <= 12.5  # one picture in eight


def test_generality_its_synonyms_do_not_bring_it_back(scores):
    assert scores.acc_g_before >= 60
    assert scores.acc_g <= 25


def test_specificity_other_concepts_stay(scores):
    assert scores.acc_s >= 0.9 * scores.acc_s_before


def test_the_harmonic_mean_of_the_three(scores):
    assert scores.h_o_relative >= 88


def test_a_concept_that_its_own_word_draws_is_gone_too(host, judge):
    """Refinement alone leaves most rabbits: `python -m dev.mass.compare_trainers --concepts rabbit`."""
    scores = scores_of("rabbit", host, judge)
    assert scores.acc_e_before >= 80 and scores.acc_e <= 25
