"""One caption of thousands that cannot be used is named by file and line, and does not stop the rest."""

import logging

import pytest
import torch

from tests.host.calls import small_graph

LONG = "a very long caption " * 30
GOOD = ("a photo of a cat", "two dogs", "a red house")


@pytest.fixture(scope="module")
def graph(comfy):
    return small_graph(comfy)


@pytest.fixture
def preserve(comfy, graph, caplog):
    """The prior, and the warnings, of a call of Preserve Prior."""

    def call(**inputs):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            (prior,) = comfy.call(
                "MACE_PreservePrior", clip=graph.clip, **{"captions": "", "weight": 1.0} | inputs
            )
        return prior, [each.getMessage() for each in caplog.records if "Preserve prior" in each.getMessage()]

    return call


def test_the_rest_is_preserved_and_the_line_is_named(preserve):
    prior, warned = preserve(
        captions=f"{GOOD[0]}\n# mine\n{LONG}\n{GOOD[1]}\na embedding:x\n{GOOD[2]}\n{LONG}"
    )
    alone, silent = preserve(captions="\n".join(GOOD))
    assert prior.captions == 3 and torch.allclose(prior.P, alone.P) and silent == []
    (said,) = warned
    assert "3 of 6 captions" in said and said.endswith(".") and "others" not in said
    assert f"line 3 of the captions ('{LONG[:77]}...') has 122 tokens, but" in said
    assert "line 5 of the captions ('a embedding:x') names a textual-inversion embedding" in said


def test_a_cached_prior_names_them_too(preserve):
    given = {"captions": "\n".join([f"{LONG}{i}" for i in range(5)] + ["a cat"])}
    first, again = preserve(**given), preserve(**given)
    assert first[0].captions == again[0].captions == 1 and torch.equal(first[0].P, again[0].P)
    assert first[1] == again[1] and "5 of 6 captions" in first[1][0] and "others" in first[1][0]
    assert first[1][0].count("tokens") == 3, "at most a few are named"


@pytest.mark.parametrize(
    "name, text, place",
    [
        ("long.txt", f"a cat\n\n{LONG}\n", "line 3 of 'input/long.txt'"),
        ("long.csv", f'id,caption\n1,"a\ncat"\n2,{LONG}\n', "line 4 of 'input/long.csv'"),
        ("long.json", f'["a cat", "{LONG}"]', "entry 2 of 'input/long.json'"),
    ],
)
def test_files_and_lists(comfy, preserve, name, text, place, request):
    path = comfy.base / "input" / name
    path.write_text(text)
    request.addfinalizer(path.unlink)
    (said,) = preserve(captions=["a dog", "a horse"], file=f"input/{name}")[1]
    assert "1 of 4 captions" in said and place in said
    (said,) = preserve(captions=["a dog", f"a horse\n{LONG}"])[1]
    assert "line 2 of the captions (text 2 of 2)" in said


def test_a_name_that_is_too_long(preserve):
    prior, warned = preserve(captions="a cat", names=f"horse\nperson: {LONG}")
    assert prior.captions > 20 and len(warned) == 1 and "a prompt of line 2 of the names" in warned[0]


def test_none_that_can_be_used(preserve):
    with pytest.raises(
        ValueError, match=r"None of the captions .*line 1 of the captions .*122 tokens"
    ) as error:
        preserve(captions=LONG)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize("cached", [False, True])
def test_it_stops_when_asked(preserve, cached):
    captions = f"a photo of a tree {cached}\n{LONG}"
    if cached:
        preserve(captions=captions)
    with pytest.raises(ValueError, match=r"^Line 2 of the captions .*122 tokens.*strict") as error:
        preserve(captions=captions, strict=True)
    assert str(error.value).endswith(".")
    assert preserve(captions=captions, strict=[False])[0].captions == 1
