"""Score Erasure on concepts that nobody names, with few steps and few images."""

import json
from types import SimpleNamespace

import pytest

from tests.host.calls import refined_graph
from tests.host.test_evidence import score


@pytest.fixture(scope="module")
def graph(comfy):
    return refined_graph(comfy)


def never_named(record) -> list[str]:
    return [each["phrase"] for each in record["prompts"] if each["group"] == "never named"]


@pytest.fixture(scope="module")
def drawn(comfy, graph):
    """Without a list of what nobody names, and without the prior."""
    table, scores, *_ = score(comfy, graph, never_named=None, steps=1)
    return SimpleNamespace(table=table, record=json.loads(scores))


def test_what_nobody_named_comes_first_in_the_table(drawn):
    rows = drawn.table.partition("| in %")[2].splitlines()[2:]
    assert rows[0].startswith("| Never named: concepts recognised")
    assert rows[1].startswith("| Never named, share of before") and "\u00b1" in rows[1]
    found, prompts = drawn.record["scores"]["top1"], drawn.record["prompts"]
    shares = [each["before"]["top1"] for each in prompts if each["group"] == "never named"]
    assert found["before"]["never"] == pytest.approx(sum(shares) / 30)
    assert found["never_named"] is None or found["never_named"]["concepts"] == 30


def test_thirty_are_drawn_with_a_quarter_of_the_images_none_of_them_in_the_prior(comfy, graph, drawn):
    names = never_named(drawn.record)
    assert len(names) == 30 and not {"ship", "boat", "cat", "sea"} & set(names)
    assert {each["images"] for each in drawn.record["prompts"][-30:]} == {1}  # of two, and at least one
    assert "Connect 'prior'" in drawn.table
    (prior,) = comfy.call(
        "MACE_PreservePrior", clip=graph.clip, captions=f"a photo of a {names[0]}", weight=1.0, names=names[1]
    )
    table, scores, *_ = score(comfy, graph, images=1, steps=1, never_named=None, prior=prior)
    assert never_named(json.loads(scores))[:28] == names[2:] and "None is in the prior" in table


def test_a_list_of_ones_own_gets_all_images_and_must_not_be_in_the_prior(comfy, graph):
    table, scores, *_ = score(comfy, graph, never_named="fox # ours", steps=1)
    assert json.loads(scores)["prompts"][-1]["images"] == 2
    assert "the one concept of your list" in table
    (prior,) = comfy.call("MACE_PreservePrior", clip=graph.clip, captions="the fox", weight=1.0)
    with pytest.raises(ValueError, match="'fox' cannot count as never named"):
        score(comfy, graph, prior=prior)


def test_an_empty_list_means_none(comfy, graph):
    table, scores, *_ = score(comfy, graph, never_named="# none", steps=1)
    record = json.loads(scores)
    assert never_named(record) == [] and record["scores"]["top1"]["never_named"] is None
    assert "No concept was scored that nobody names" in table
