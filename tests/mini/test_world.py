"""The world's data file, on which the tasks and the demo rely."""

from collections import Counter

from dev.miniature.scenes import SCENES
from dev.miniature.world import load_world

WORLD = load_world()


def test_names_and_synonyms_are_each_said_of_one_thing_only():
    words = [word for thing in WORLD.things for word in {thing.name, *thing.synonyms}]
    assert [word for word, times in Counter(words).items() if times > 1] == []


def test_the_papers_ten_classes_come_first_with_three_synonyms_each():
    ten = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert tuple(thing.name for thing in WORLD.objects[:10]) == ten
    assert {len(thing.synonyms) for thing in WORLD.objects[:10]} == {3}


def test_every_surrogate_is_something_the_model_draws():
    known = {*WORLD.scenes, *WORLD.colours, "a person", "art", "colour"}
    styles = {style.name for style in WORLD.styles}
    for thing in WORLD.things:
        looks = styles if thing.kind == "style" else set()  # for styles only: another style
        assert thing.surrogate in (known | looks) - {thing.name}
    assert set(WORLD.scenes) == set(SCENES)


def test_persons_share_their_names_as_celebrities_do():
    first, last = (Counter(p.name.split()[i] for p in WORLD.persons) for i in (0, 1))
    assert len(WORLD.persons) == 20
    assert set(first.values()) == set(last.values()) == {2}
