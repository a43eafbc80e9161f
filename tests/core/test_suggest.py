"""Queries to the text encoder before anything is erased: similarity, surrogates and warnings."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.lines import names
from mace_core.encoder.similarity import shared_words, similarities
from mace_core.encoder.text_encoder import END_OF_TEXT, EncodedPrompts
from mace_core.evaluation.suggest import UNDECIDED, concept_lines, parse_targets, report, suggest
from tests.core.toy import ToyTextEncoder

GROUPS = (({"ship", "boat", "vessel"}, 2.0), ({"sea", "ship", "boat", "vessel"}, 1.0), ({"cat", "mat"}, 0.7))
LENGTH = 16


class Meanings:
    """A text encoder that gives each word, and each group of words, a direction of its own."""

    fingerprint, context_length = "meanings", LENGTH

    def __init__(self):
        self.ids: dict[str, int] = {}

    def word_tokens(self, phrase):
        return tuple(self.ids.setdefault(word, len(self.ids) + 1) for word in phrase.split())

    def encode(self, prompts):
        tokens = torch.full((len(prompts), LENGTH), END_OF_TEXT)
        embeddings = torch.zeros(len(prompts), LENGTH, 400)
        for row, prompt in enumerate(prompts):
            ids = self.word_tokens(prompt)
            tokens[row, : len(ids) + 1] = torch.tensor([0, *ids])
            for place, word in enumerate(prompt.split(), 1):
                embeddings[row, place, ids[place - 1]] = 0.7
                for number, (group, weight) in enumerate(GROUPS):
                    embeddings[row, place, 390 + number] = weight * (word in group)
        return EncodedPrompts(tokens, embeddings)


ENCODER = Meanings()


def only(text: str, **lists):
    (suggestion,) = suggest(ENCODER, parse_targets(text), **lists)
    return suggestion


def test_similarity_is_one_to_itself_and_lower_to_others():
    near = similarities(ENCODER, ["ship", "cat"], ["ship", "boat", "cat"])
    assert near.shape == (2, 3)
    assert near[0, 0] == pytest.approx(1, abs=1e-5) and near[1, 2] == pytest.approx(1, abs=1e-5)
    assert near[0, 1] > 0.6 > near[0, 2]


def test_the_nearest_candidate_is_chosen_and_a_given_one_is_kept():
    assert only("ship").concept == Concept("ship", "sea")
    assert only("ship -> sky").concept == Concept("ship", "sky")
    assert only("cat", candidates=["mat"]).concept.surrogate == "mat"


def test_what_means_the_same_is_no_surrogate():
    suggestion = only("ship", candidates=["boat"])
    assert suggestion.surrogates[0][0] == "boat" and suggestion.concept.surrogate == "sea"


def test_what_is_erased_itself_is_no_surrogate_and_not_at_risk():
    ship, sea = suggest(ENCODER, parse_targets("ship (vessel)\nsea"), candidates=["vessel"], keep=["sea"])
    assert {"sea", "vessel"}.isdisjoint(name for name, _ in (*ship.surrogates, *ship.at_risk))


def test_warnings_name_namesakes_synonyms_and_guesses():
    warned = only("person: Ann Lee", keep=["Ann Poe", "Bob Roe"]).warnings
    assert len(warned) == 1 and "'Ann Poe' shares 'Ann'" in warned[0]
    assert "'boat' is to be preserved" in only("ship", keep=["boat"]).warnings[0]
    assert "closest" in only("automobile").warnings[0]
    assert only("person: Ann Lee").warnings == (), "the paper's surrogate for persons is not a guess"


def test_small_words_are_not_shared_names():
    assert shared_words(ENCODER, "a man in the sea", "the cat in a hat") == ()
    assert shared_words(ENCODER, "the red ship", "a red cat") == ("red",)


def test_the_list_is_read_back_by_erase_concepts():
    suggestions = suggest(ENCODER, parse_targets("ship (boat)\nperson: Ann Lee # her\nstyle: Monet -> art"))
    assert parse_targets(concept_lines(suggestions)) == (
        Concept("ship", "sea", "object", ("boat",)),
        Concept("Ann Lee", "a person", "person"),
        Concept("Monet", "art", "style"),
    )
    assert "ship (boat) -> sea" in report(suggestions) and UNDECIDED not in report(suggestions)


def test_names_with_brackets_and_commas_are_read_back():
    lines = "object: artist \\(series\\) (Sam\\, the man, x) -> sea (blue)\nobject: 10\\, 000 -> sea"
    concepts = parse_targets(lines)
    assert concepts[0] == Concept("artist (series)", "sea (blue)", synonyms=("Sam, the man", "x"))
    assert parse_targets(concept_lines(suggest(ENCODER, concepts))) == concepts
    assert report(suggest(ENCODER, concepts)).startswith(lines.splitlines()[0])


def test_a_candidate_that_contains_the_target_is_no_surrogate():
    near = only("ship", candidates=["ship sea", r"mat \(big\)", "mat (big)"])
    assert {name for name, _ in near.surrogates}.isdisjoint({"ship sea"}) and near.concept.surrogate == "sea"


def test_candidates_and_preserved_names_are_read_as_names():
    known = only("ship", candidates=names("mat \\(big\\)\u200b"), keep=names("ship \\(x\\)"))
    assert "mat (big)" in dict(known.surrogates) and "ship (x)" in dict(known.at_risk)


def test_punctuation_is_no_shared_name():
    encoder = ToyTextEncoder()
    assert shared_words(encoder, "Yahoo!", "Wow!") == () == shared_words(encoder, "N.W.A.", "B.o.B.")
    assert shared_words(encoder, "Robert Downey Jr.", "Sammy Davis, Jr.") == ("Jr.",)
    assert shared_words(encoder, "\U0001f6a2 ship", "a \U0001f6a2") == ("\U0001f6a2",)


def test_no_candidate_left():
    with pytest.raises(ValueError, match="no surrogate for 'Monet'"):
        suggest(ENCODER, parse_targets("style: Monet\nstyle: art -> photo"))


def test_a_phrase_too_long():
    with pytest.raises(ValueError, match="has 16"):
        only("ship " * 20)
