"""`make bench`: the straight implementations compute what the pack does, and a broken bound is a failure."""

import copy
import json

import pytest
import torch

from dev.speed import __main__ as command
from dev.speed.aims import AIMS, broken
from dev.speed.concepts import Words, as_csv, people, things
from dev.speed.plain.apply import erased_copy
from dev.speed.plain.closed_form import refined_weight
from dev.speed.plain.fusion import fused_weight
from dev.speed.report import SECTIONS, tables
from dev.speed.timing import compared, in_turn
from mace_core.concepts.concept_files import read_concepts
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.text_encoder import encode_once
from mace_core.erasure.erasure import edited
from mace_core.erasure.fuse import FuseSettings, fuse
from mace_core.refinement.moments import concept_moments, matching_positions
from mace_core.refinement.prior import prior_from_captions
from mace_core.refinement.refine import RefineSettings, refine
from tests.core.toy import ToyTextEncoder, random_loras

ENCODER, CONCEPTS = ToyTextEncoder(), [*people(2), *things(1)]
LAYERS = {"0.to_k": (24, 32), "0.to_v": (12, 32)}
FLOAT32 = 1e-4  # float32 sums of thousands of products and a float32 inverse, against float64 and Cholesky
WEIGHT, RIDGE = 1e-3, 5.0


@pytest.fixture(scope="module")
def prior():
    return prior_from_captions(ENCODER, ["a photo of a cat", "a red bird in the snow"])


def weight(name):
    o, d = LAYERS[name]
    return torch.randn(o, d, generator=torch.Generator().manual_seed(o))


def relative(a, b):
    return float((a - b).norm() / b.norm())


def test_the_straight_closed_form_is_equation_2(prior):
    pairs = []
    for pair in (pair for concept in CONCEPTS for pair in prompt_pairs(concept)):
        encoded = encode_once(ENCODER, [pair.target, pair.surrogate])
        f, g = matching_positions(ENCODER, pair, encoded)
        pairs.append((encoded[pair.target].embeddings[0, f], encoded[pair.surrogate].embeddings[0, g]))
    moments = [concept_moments(ENCODER, concept) for concept in CONCEPTS]
    T1 = refine(moments, prior, RefineSettings(WEIGHT, RIDGE))
    for layer in LAYERS:
        W = weight(layer)
        straight = refined_weight(W, pairs, prior.P.float(), WEIGHT, RIDGE)
        assert relative(straight.double(), W.double() @ T1) < FLOAT32
        assert relative(straight, W) > 100 * FLOAT32


def test_the_straight_fusion_is_equation_7(prior):
    loras = random_loras(ENCODER, CONCEPTS, LAYERS, rank=2)
    T1 = torch.eye(32, dtype=torch.float64) + 0.1 * torch.randn(32, 32, dtype=torch.float64)
    T, low_rank = fuse(T1, loras, prior, FuseSettings(WEIGHT, RIDGE))
    for layer in LAYERS:
        W = weight(layer)
        trained = [
            (
                *lora.low_rank[layer],
                [ENCODER.encode([pair.target]).embeddings[0] for pair in prompt_pairs(concept)],
            )
            for lora, concept in zip(loras, CONCEPTS, strict=True)
        ]
        straight = fused_weight(W, W @ T1.float(), trained, prior.P.float(), WEIGHT, RIDGE)
        U, D = low_rank[layer]
        assert relative(straight.double(), W.double() @ T + U @ D) < FLOAT32
        assert relative(straight, W @ T1.float()) > 100 * FLOAT32


def test_the_erased_copy_has_the_weights_of_the_erasure_and_leaves_the_original():
    network = torch.nn.ModuleDict(
        {"a": torch.nn.Linear(32, 8, bias=False), "b": torch.nn.Linear(32, 8, bias=False)}
    )
    before = copy.deepcopy(network.state_dict())
    T, factors = torch.randn(32, 32), {"a": (torch.randn(8, 2), torch.randn(2, 32))}
    copied = erased_copy(network, T, factors, ["a", "b"])
    for layer in ("a", "b"):
        W = before[f"{layer}.weight"]
        assert torch.allclose(copied[layer].weight, edited(W, T, factors.get(layer)), atol=1e-5)
        assert torch.equal(network[layer].weight, W)


def test_lists_have_as_many_different_concepts_as_asked_and_are_read_back():
    listed = [*people(1000), *things(200)]
    assert len({each.target for each in listed}) == 1200
    assert len({each.surrogate for each in things(200)}) == 200
    assert list(read_concepts(as_csv(listed).encode(), "a.csv", "object")) == listed
    assert len(Words().word_tokens("a photo of Ada Belberg")) == 5


def test_ways_are_measured_in_turn_and_compared_by_turns():
    order = []
    found = in_turn(2, a=lambda: order.append("a"), b=lambda: order.append("b"))
    assert order == ["a", "b", "b", "a"] and len(found["a"]) == 2
    row = compared("x", [1.0, 2.0, 1.0], [10.0, 40.0, 30.0], 0.5)
    assert (row["ours"], row["plain"], row["ratio"], row["spread"]) == (1.0, 30.0, 20.0, [10.0, 30.0])


@pytest.fixture(scope="module")
def results():
    return json.loads(command.RESULTS.read_text())


def test_the_page_is_of_its_numbers_and_everything_was_measured(results):
    assert command.RESULTS.with_suffix(".md").read_text() == tables(results)
    assert results.keys() == SECTIONS.keys()
    assert not broken(results)


@pytest.mark.parametrize("aim", AIMS, ids=lambda aim: aim.what)
def test_no_bound_is_wider_than_the_aim_by_mistake(aim):
    """The bound never asks for more than the aim."""
    assert aim.reaches(aim.aim, aim.bound)


def test_a_broken_bound_is_a_failure(results):
    command.finish(results)
    worse = copy.deepcopy(results)
    worse["fusion"]["rows"] = [row | {"ratio": 2.0} for row in worse["fusion"]["rows"]]
    with pytest.raises(SystemExit, match="stage 3, 100 LoRAs.* bound is 30") as raised:
        command.finish(worse)
    assert isinstance(raised.value.code, str)  # Python prints it, and exits with 1
    assert "**no**" in tables(worse)


def test_one_section_alone_keeps_the_others(results, tmp_path, monkeypatch):
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(results))
    monkeypatch.setattr(command, "in_own_process", lambda function, name: results[name] | {"again": True})
    command.main("files", path=path)
    found = json.loads(path.read_text())
    assert found["files"].pop("again") and found == results
    with pytest.raises(SystemExit, match="Unknown section 'speed'"):
        command.main("speed", path=path)
