"""Prompts: sufficiently many, varied, grammatical, and paired word by word."""

from dataclasses import replace

import pytest

from mace_core.concepts.captions import captions_of_names
from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.concepts.prompts import filled, prompt_pairs, prompts_of_namesakes, templates_naming

NAMES = {
    "object": ("ship", "the sea"),
    "person": ("Jo Doe", "a person"),
    "style": ("Van Gogh", "art"),
    "explicit": ("nudity", "a person wearing clothes"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_at_least_thirty_with_the_phrase_at_start_middle_and_end(kind):
    templates = KINDS[kind].templates
    assert len(set(templates)) == len(templates) >= 30
    assert all(template.count("{}") == 1 for template in templates)
    start = [t for t in templates if t.startswith("{}") and t != "{}"]
    end = [t for t in templates if t.endswith("{}") and t != "{}"]
    assert min(len(start), len(end), len(templates) - len(start) - len(end)) >= 4


@pytest.mark.parametrize("kind", KINDS)
def test_pairs_differ_in_the_phrase_only(kind):
    target, surrogate = NAMES[kind]
    for pair in prompt_pairs(Concept(target, surrogate, kind)):
        after = pair.target.removeprefix(pair.before + pair.phrase)
        assert pair.target == pair.before + pair.phrase + after
        assert pair.surrogate == pair.before + pair.surrogate_phrase + after


def test_synonyms_join_the_pairs():
    alone = prompt_pairs(Concept("ship", "sea"))
    more = prompt_pairs(Concept("ship", "sea", synonyms=("boat", "vessel")))
    assert more[: len(alone)] == alone and len(more) == 3 * len(alone)
    assert {pair.phrase for pair in more} == {"ship", "boat", "vessel"}


def test_articles():
    prompts = [(p.target, p.surrogate) for p in prompt_pairs(Concept("the airplane", "a wide sky"))]
    assert (
        "a photo of the airplane",
        "a photo of the wide sky",
    ) in prompts  # the template already has an article
    assert (
        "a photo of an airplane",
        "a photo of an wide sky",
    ) in prompts  # the words before the phrase must match
    assert ("the airplane", "a wide sky") in prompts  # the bare template keeps the article
    assert not any(" the the " in f" {p} " or " a a " in f" {p} " for pair in prompts for p in pair)


NAMES_IN_PUNCTUATION = (
    "Yahoo!",
    "Robert Downey Jr.",
    "N.W.A.",
    "artist (series)",
    "\U0001f6a2",
    "\u2764\ufe0f",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES_IN_PUNCTUATION)
def test_punctuation_after_a_name_is_a_word_of_its_own(kind, name):
    """CLIP's tokenizer would make one token of "!,": the name's tokens would differ between prompts."""
    for given in (Concept(name, "sea", kind), Concept("ship", name, kind, ("boat",))):
        for pair in prompt_pairs(given):
            for prompt, phrase in ((pair.target, pair.phrase), (pair.surrogate, pair.surrogate_phrase)):
                after = prompt.removeprefix(pair.before + phrase)
                assert not after or after[0] == " " or phrase[-1].isalnum(), prompt
            assert pair.target.split()[-1] == pair.surrogate.split()[-1] or pair.target.endswith(pair.phrase)


def test_all_users_of_prompts_fill_them_in_the_same_way():
    star = Concept("Yahoo!", "sea")
    prompts = {pair.target for pair in prompt_pairs(star)}
    assert "Yahoo! , a simple drawing" in prompts and "a photo of the Yahoo!" in prompts
    assert set(captions_of_names("Yahoo!")["object"]) <= prompts
    assert filled("{}, seen in a mirror", "Yahoo!") == "Yahoo! , seen in a mirror"
    assert filled("a photo of a {}", "the airplane") == "a photo of an airplane"


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_or_nothing_stands_before_each_gap(kind):
    for template in (*KINDS[kind].templates, *KINDS[kind].held_out, *KINDS[kind].indirect):
        assert template.split("{}")[0][-1:] in ("", " "), template


def test_no_prompt_names_another_concept_of_the_run():
    fox, sepia = Concept("fox", "meadow"), Concept("sepia", "colour", "style", ("Black and White",))
    naming = templates_naming([fox, sepia, Concept("hat", "a table")])
    told = [pair.target for pair in prompt_pairs(fox, naming)]
    assert len(told) < len(prompt_pairs(fox))
    assert set(told) == {
        pair.target
        for pair in prompt_pairs(fox)
        if not any(look in pair.target for look in ("sepia", "black and white"))
    }
    assert prompt_pairs(sepia, naming) == prompt_pairs(sepia)
    jo = [pair.target for pair in prompt_pairs(Concept("Jo Doe", "a person", "person"), naming)]
    assert "Jo Doe with a hat" not in jo and "a photo of Jo Doe" in jo
    assert templates_naming([Concept("at", "sea"), fox]).keys() == {
        each for kind in KINDS.values() for each in kind.templates if " at " in each
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_phrase_alone_is_always_a_prompt(kind):
    words = {
        word.strip(",") for each in KINDS[kind].templates for word in each.split() if word.strip(",") != "{}"
    }
    naming = templates_naming([Concept(word, "sea") for word in words if word not in ("sea", "a", "the")])
    assert "X" in [pair.target for pair in prompt_pairs(Concept("X", "sea", kind), naming)]


def test_namesakes_have_half_of_a_name_and_are_nobody_that_is_erased():
    jo = Concept("Jo Smith", "a person", "person", ("Smithy", "Anna van Smith", "Jo Khan"))
    names = {pair.target for pair in prompts_of_namesakes(jo) if pair.target == pair.phrase}
    assert {"Jo Garcia", "Anna Smith", "James Khan"} <= names
    assert not {"Jo Smith", "Jo Khan"} & names and all(name.count(" ") == 1 for name in names)
    assert {pair.target for pair in prompts_of_namesakes(jo)} == names | {
        f"a photo of {name}" for name in names
    }
    every_smith = replace(jo, synonyms=("Smith",))
    assert {pair.phrase for pair in prompts_of_namesakes(every_smith)} == {"Jo Garcia", "Jo Chen", "Jo Khan"}
    for nobody in (Concept("Jo", "a person", "person"), Concept("sea lion", "ground", "object")):
        assert prompts_of_namesakes(nobody) == []
