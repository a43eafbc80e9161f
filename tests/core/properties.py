"""Properties that must hold for any text encoder: toy encoders in tests/core, the host's in tests/host.

Each function takes a TextEncoder and raises AssertionError. The weights W are random.
"""

import itertools
import math

import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.text_encoder import encode_once
from mace_core.erasure.fuse import FuseSettings, fuse
from mace_core.refinement.moments import ConceptMoments, concept_moments, matching_positions
from mace_core.refinement.prior import add_priors, prior_from_captions
from mace_core.refinement.refine import RefineSettings, refine
from tests.core.toy import random_loras

SHIP = Concept("ship", "the sea")
DOG = Concept("dog", "ground")
PLANE = Concept("airplane", "sky")
CAPTIONS = (
    "a photo of a cat",
    "a photo of the truck",
    "a horse in the snow",
    "a red bird",
    "a photo of a frog",
    "a drawing of a deer",
    "the cat at night",
)
OUT = 24


def weight(d, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(OUT, d, generator=generator, dtype=torch.float64) / math.sqrt(d)


def product(factors):
    U, D = factors
    return U.double() @ D.double()


def relative(a, b):
    return ((a - b).norm() / b.norm()).item()


def token_rows(encoder, prompts):
    """All token embeddings of the prompts, [n, d] float64, encoded in a single call without batching."""
    return encoder.encode(list(prompts)).embeddings.flatten(0, 1).double()


def check_no_concepts_change_nothing(encoder):
    prior = prior_from_captions(encoder, CAPTIONS)
    T1 = refine([], prior, RefineSettings(1e-4, 0.0))
    assert torch.equal(T1, torch.eye(len(T1), dtype=torch.float64))


def pair_embeddings(encoder, pair):
    """The aligned embeddings e_f and e_g of a prompt pair, each [n, d] float64."""
    encoded = encode_once(encoder, [pair.target, pair.surrogate])
    f, g = matching_positions(encoder, pair, encoded)
    return encoded[pair.target].embeddings[0, f].double(), encoded[pair.surrogate].embeddings[0, g].double()


def check_target_becomes_surrogate_as_ridge_vanishes(encoder, tolerance=1e-3):
    """For one concept, W' e_f -> W e_g on as many aligned tokens as the embedding width can separate."""
    pair = prompt_pairs(SHIP)[3]
    e_f, e_g = pair_embeddings(encoder, pair)
    few = min(len(encoder.word_tokens(pair.target)) + 1, encoder.encode([""]).embeddings.shape[-1] // 2)
    e_f, e_g = e_f[:few], e_g[:few]
    moments = ConceptMoments(e_g.T @ e_f, e_f.T @ e_f, e_f.T @ e_f, encoder.fingerprint)
    W = weight(e_f.shape[1])
    misses = []
    for ridge in (1e1, 1e-1, 1e-3, 1e-5):
        T1 = refine([moments], None, RefineSettings(0.0, ridge))
        misses.append(relative(W @ T1 @ e_f.T, W @ e_g.T))
    assert misses == sorted(misses, reverse=True)
    assert misses[-1] < tolerance


def check_prior_preserves(encoder):
    """The larger the prior's weight, the less the projections of its own captions change."""
    moments = [concept_moments(encoder, SHIP)]
    prior = prior_from_captions(encoder, CAPTIONS)
    e = token_rows(encoder, CAPTIONS)
    W = weight(e.shape[1])
    changes = [
        relative(W @ refine(moments, prior, RefineSettings(l1, 1.0)) @ e.T, W @ e.T)
        for l1 in (0.0, 1e-5, 1e-4, 1e-2)
    ]
    assert changes == sorted(changes, reverse=True)
    assert changes[-1] < changes[0] / 2


def check_one_lora_is_kept_on_its_own_prompts(encoder, tolerance=1e-3):
    """Fusing one LoRA without a prior returns W T1 + U D on the concept's own prompts."""
    moments = concept_moments(encoder, SHIP)
    d = len(moments.C)
    T1, W = refine([moments], None, RefineSettings(0.0, 10.0)), weight(d)
    [lora] = random_loras(encoder, [SHIP], {"k": (OUT, d)})
    T, edit = fuse(T1, [lora], None, FuseSettings(0.0, 1e-6))
    e = token_rows(encoder, [pair.target for pair in prompt_pairs(SHIP)])
    wanted = (W @ T1 + product(lora.low_rank["k"])) @ e.T
    assert relative((W @ T + product(edit["k"])) @ e.T, wanted) < tolerance


def check_order_of_concepts_does_not_matter(encoder):
    concepts = (SHIP, DOG, PLANE)
    moments = {concept: concept_moments(encoder, concept) for concept in concepts}
    prior = prior_from_captions(encoder, CAPTIONS)
    d = len(prior.P)
    W, loras = weight(d), dict(zip(concepts, random_loras(encoder, concepts, {"k": (OUT, d)}), strict=True))
    results = []
    for order in itertools.permutations(concepts):
        T1 = refine([moments[c] for c in order], prior, RefineSettings(1e-4, 1.0))
        T, edit = fuse(T1, [loras[c] for c in order], prior, FuseSettings(1e-4, 1.0))
        results.append(W @ T + product(edit["k"]))
    assert all(relative(result, results[0]) < 1e-10 for result in results)


def check_sums_in_batches_equal_sums_at_once(encoder):
    moments = concept_moments(encoder, SHIP)
    e = token_rows(encoder, dict.fromkeys(pair.target for pair in prompt_pairs(SHIP)))
    assert relative(moments.C, e.T @ e) < 1e-6
    parts = [prior_from_captions(encoder, part, weight=len(part)) for part in (CAPTIONS[:3], CAPTIONS[3:])]
    whole = prior_from_captions(encoder, CAPTIONS, weight=len(CAPTIONS))
    assert relative(add_priors(*parts).P, whole.P) < 1e-6


def check_added_then_removed_is_as_before(encoder):
    ship, dog = concept_moments(encoder, SHIP), concept_moments(encoder, DOG)
    both = ConceptMoments(ship.G + dog.G, ship.F + dog.F, ship.C + dog.C, ship.fingerprint)
    back = ConceptMoments(both.G - dog.G, both.F - dog.F, both.C - dog.C, ship.fingerprint)
    settings = RefineSettings(0.0, 10.0)
    assert relative(refine([both], None, settings), refine([ship, dog], None, settings)) < 1e-10
    assert relative(refine([back], None, settings), refine([ship], None, settings)) < 1e-10


def ridge_rows(tokens, ridge, share):
    """sqrt(r) I as rows: r = ridge + share * the mean eigenvalue of the second moment of ``tokens``."""
    e = torch.cat(tokens)
    d = e.shape[1]
    return math.sqrt(ridge + share * e.square().sum().item() / d) * torch.eye(d, dtype=torch.float64)


def check_refinement_is_the_least_squares_solution(encoder):
    """Solves equation 2 per layer over stacked rows, without using the pack's algebra."""
    l1, ridge, share = 1e-4, 0.5, 0.05
    concepts = (SHIP, DOG)
    prior = prior_from_captions(encoder, CAPTIONS)
    pairs = [pair_embeddings(encoder, pair) for concept in concepts for pair in prompt_pairs(concept)]
    kept = math.sqrt(l1 * 616_767 / len(CAPTIONS)) * token_rows(encoder, CAPTIONS)
    rows = [kept, ridge_rows([e_f for e_f, _ in pairs], ridge, share)]
    inputs, outputs = [*rows, *(e_f for e_f, _ in pairs)], [*rows, *(e_g for _, e_g in pairs)]
    moments = [concept_moments(encoder, concept) for concept in concepts]
    T1 = refine(moments, prior, RefineSettings(l1, ridge, share))
    d = len(T1)
    for layer in range(2):
        W = weight(d, layer)
        dense = torch.linalg.lstsq(torch.cat(inputs), torch.cat(outputs) @ W.T, driver="gelsd").solution.T
        assert relative(W @ T1, dense) < 1e-6


def check_fusion_is_the_least_squares_solution(encoder):
    """Solves equation 7 per layer over stacked rows; the ridge pulls W* to W T1."""
    l2, ridge, share, concepts = 2e-4, 0.5, 0.05, (SHIP, DOG, PLANE)
    prior = prior_from_captions(encoder, CAPTIONS)
    d = len(prior.P)
    layers = {"to_k": (OUT, d), "to_v": (OUT, d)}
    T1 = refine([concept_moments(encoder, c) for c in concepts], prior, RefineSettings(1e-4, ridge))
    loras = random_loras(encoder, concepts, layers, rank=2)
    T, edit = fuse(T1, loras, prior, FuseSettings(l2, ridge, share))
    kept = math.sqrt(l2 * 616_767 / len(CAPTIONS)) * token_rows(encoder, CAPTIONS)
    own = [token_rows(encoder, [pair.target for pair in prompt_pairs(lora.concept)]) for lora in loras]
    unchanged = ridge_rows(own, ridge, share)
    for number, name in enumerate(layers):
        W = weight(d, number)
        inputs, outputs = [kept, unchanged, *own], [kept @ W.T, unchanged @ (W @ T1).T]
        for e, lora in zip(own, loras, strict=True):
            outputs.append(e @ (W @ T1 + product(lora.low_rank[name])).T)
        dense = torch.linalg.lstsq(torch.cat(inputs), torch.cat(outputs), driver="gelsd").solution.T
        assert relative(W @ T + product(edit[name]), dense) < 1e-6


CHECKS = (
    check_no_concepts_change_nothing,
    check_target_becomes_surrogate_as_ridge_vanishes,
    check_prior_preserves,
    check_one_lora_is_kept_on_its_own_prompts,
    check_order_of_concepts_does_not_matter,
    check_sums_in_batches_equal_sums_at_once,
    check_added_then_removed_is_as_before,
    check_refinement_is_the_least_squares_solution,
    check_fusion_is_the_least_squares_solution,
)
