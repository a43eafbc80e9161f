"""docs/method.md: its links lead somewhere, and the formulas that no other test covers are true."""

import re

import pytest
import torch

from dev.host.fetch import REPOSITORY
from mace_core.concepts.prompts import prompt_pairs
from mace_core.erasure.fuse import FuseSettings, fuse
from mace_core.refinement.moments import concept_moments
from mace_core.refinement.prior import PAPER_CAPTIONS, prior_from_captions
from mace_core.refinement.refine import RefineSettings, refine
from tests.core.properties import CAPTIONS, DOG, SHIP, pair_embeddings, product, relative, token_rows, weight
from tests.core.toy import ToyTextEncoder, random_loras

PAGE = REPOSITORY / "docs" / "method.md"
LINKS = re.findall(r"\[([^]]+)\]\((?!https:)([^)]+)\)", PAGE.read_text())
ENCODER, CONCEPTS = ToyTextEncoder(), (SHIP, DOG)
L, R = 1e-4, 0.5  # l1 = l2 and the ridge
WIDTH = ENCODER.d
I = torch.eye(WIDTH, dtype=torch.float64)  # noqa: E741
W = weight(WIDTH)


@pytest.fixture(scope="module")
def prior():
    return prior_from_captions(ENCODER, CAPTIONS)


@pytest.fixture(scope="module")
def T1(prior):
    return refine([concept_moments(ENCODER, each) for each in CONCEPTS], prior, RefineSettings(L, R))


def preserving(X):
    """l sum |X e_p - W e_p|^2."""
    e = token_rows(ENCODER, CAPTIONS).T
    return L * PAPER_CAPTIONS / len(CAPTIONS) * ((X - W) @ e).square().sum()


@pytest.mark.parametrize("text, target", LINKS)
def test_a_link_leads_to_a_file_that_has_what_it_says(text, target):
    path = (PAGE.parent / target).resolve()
    assert path.is_file()
    if text.startswith("`"):
        assert f"def {text.strip('`')}(" in path.read_text()


def test_equation_2_has_its_minimum_at_w_t1_and_rises_as_the_proof_says(prior, T1):
    moments = [concept_moments(ENCODER, each) for each in CONCEPTS]
    pairs = [pair_embeddings(ENCODER, pair) for each in CONCEPTS for pair in prompt_pairs(each)]

    def J(X):
        erasing = sum((X @ e_f.T - W @ e_g.T).square().sum() for e_f, e_g in pairs)
        return erasing + preserving(X) + R * (X - W).square().sum()

    B = sum(m.F for m in moments) + L * prior.P + R * I
    for seed in range(3):
        E = weight(WIDTH, 10 + seed)
        assert (J(W @ T1 + E) - J(W @ T1)).item() == pytest.approx(torch.trace(E @ B @ E.T).item(), rel=1e-6)


def test_equation_7_has_its_minimum_at_the_fused_weight_and_its_terms_are_what_the_page_says(prior, T1):
    loras = random_loras(ENCODER, CONCEPTS, {"k": W.shape}, rank=2)
    T, edit = fuse(T1, loras, prior, FuseSettings(L, R))
    prompts = [dict.fromkeys(pair.target for pair in prompt_pairs(each)) for each in CONCEPTS]

    def K(X):
        wanted = [W @ T1 + product(lora.low_rank["k"]) for lora in loras]
        own = [token_rows(ENCODER, each).T for each in prompts]
        fusing = sum(((X - Y) @ e).square().sum() for Y, e in zip(wanted, own, strict=True))
        return fusing + preserving(X) + R * (X - W @ T1).square().sum()

    N = sum(lora.C for lora in loras) + L * prior.P + R * I
    found, E = W @ T + product(edit["k"]), weight(WIDTH, 10)
    assert (K(found + E) - K(found)).item() == pytest.approx(torch.trace(E @ N @ E.T).item(), rel=1e-6)
    assert relative(T1 + L * (I - T1) @ prior.P @ torch.linalg.inv(N), T) < 1e-9
    D = torch.cat([lora.low_rank["k"][1].double() @ lora.C for lora in loras]) @ torch.linalg.inv(N)
    assert relative(D, edit["k"][1]) < 1e-9


def test_an_embedding_undoes_stage_1_in_every_layer(T1):
    e = token_rows(ENCODER, ["a photo of a ship"]).T
    assert relative(W @ T1 @ torch.linalg.solve(T1, e), W @ e) < 1e-6


def test_the_numbers_of_sd15():
    from dev.fullsize.families import FAMILIES

    layers = FAMILIES["sd15"].widths
    assert sum(layers.values()) == 32
    assert round(768 * sum(o * count for o, count in layers.items()) / 1e6) == 19
    assert round(768 * 768 / 1e6, 1) == 0.6
