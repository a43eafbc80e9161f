"""The erasures that the tables compare, made with the pack's nodes and their default settings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from dev.bench.bench import CFG, SIZE, Bench
from dev.bench.uce import uce

UNEDITED = "unedited"
FULL, HARDENED, LINEAR, CLOSED, REFINED, AVERAGED, EXACT, UCE = (
    "MACE",
    "MACE, hardened",
    "MACE, linear",
    "T* only",
    "refinement only",
    "average of the LoRAs",
    "MACE, exact trainer",
    "UCE",
)
GATED = (FULL, HARDENED)
RIDGED = {f"{LINEAR}, relative ridge {ridge:g}": ridge for ridge in (0.05, 0.2, 0.5)}
# Inputs that differ from their defaults: of Fuse Concept LoRAs, of Cross-Attention Refinement
# (docs/results/harden.md, mass.md), and of Train Concept LoRA.
FUSING = {method: {"relative_ridge": ridge} for method, ridge in RIDGED.items()}
REFINING = {HARDENED: {"harden": 5}, **FUSING}
TRAINING = {EXACT: {"method": "exact"}}


@dataclass(frozen=True)
class Material:
    """The results of stages 1 and 2 for a list of concepts: the inputs of fusion."""

    prior: object
    refined: object  # MODEL
    stage_1: object  # erasure
    loras: tuple


def erased(bench: Bench, method: str, erase: Sequence[str], keep: Sequence[str]):
    """The erased MODEL: `erase` lists the concepts to erase, `keep` those that the prior preserves.

    All names are from mini/world.json.
    """
    if method == UNEDITED:
        return bench.model
    if method == UCE:
        result = uce_erasure(bench, erase, keep)
    else:
        material = stages_1_and_2(bench, erase, keep, training_of(method), **REFINING.get(method, {}))
        if method == REFINED:
            return material.refined
        inputs = FUSING.get(method, {})
        result = average(bench, material) if method == AVERAGED else fuse(bench, material, **inputs)
        if method == CLOSED:
            result = replace(result, low_rank=type(result.low_rank)())
    mode = "gated" if method in GATED else "linear"
    return bench.run("MACE_ApplyErasedModel", model=bench.model, erasure=result, mode=mode)[0]


def training_of(method: str) -> dict | None:
    """The inputs of Train Concept LoRA that differ from their defaults; None skips stage 2."""
    return None if method == REFINED else TRAINING.get(method, {})


def stages_1_and_2(
    bench: Bench, erase: Sequence[str], keep: Sequence[str], training: dict | None, **refining
) -> Material:
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(erase))
    prior = preserved(bench, keep)
    refined, stage_1 = bench.run(
        "MACE_CrossAttnRefine",
        model=bench.model,
        clip=bench.clip,
        concepts=concepts,
        prior=prior,
        **refining,
    )
    loras = () if training is None else train(bench, concepts, refined, training)
    return Material(prior, refined, stage_1, loras)


def pictures(bench: Bench, concepts):
    """A masked training set.

    The host's folder caches it by concept, like LoRAs: later lists with the same concepts reuse it.
    """
    drawn, _ = bench.run(
        "MACE_DrawConcepts",
        model=bench.model,
        clip=bench.clip,
        vae=bench.vae,
        concepts=concepts,
        cfg=CFG,
        width=SIZE,
        height=SIZE,
    )
    return bench.run("MACE_MaskConcepts", training_set=drawn)[0]


def train(bench: Bench, concepts, refined, training: dict) -> tuple:
    return bench.run(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=bench.clip,
        concepts=concepts,
        training_set=pictures(bench, concepts),
        **training,
    )[0]


def fuse(bench: Bench, material: Material, **fusing):
    return bench.run(
        "MACE_FuseLoRAs",
        clip=bench.clip,
        refined=material.stage_1,
        concept_loras=material.loras,
        prior=material.prior,
        **fusing,
    )[0]


def average(bench: Bench, material: Material):
    """The paper's naive integration (table 4): W T1 plus the mean of all U_i D_i."""
    factors = bench.host.module("mace_core.training.factors")
    edits = [lora.low_rank.scaled(1 / len(material.loras)) for lora in material.loras]
    return replace(material.stage_1, low_rank=factors.cat(edits))


def uce_erasure(bench: Bench, erase: Sequence[str], keep: Sequence[str]):
    """UCE's matrix as an erasure, so that the same node applies it."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(erase))
    _, shape = bench.run("MACE_CrossAttnRefine", model=bench.model, clip=bench.clip, concepts=concepts)
    pairs = [(concept.target, concept.surrogate) for concept in concepts]
    with torch.inference_mode():
        T = uce(bench.encoder, pairs, keep)
    return replace(shape, T=T.float())


def preserved(bench: Bench, keep: Sequence[str]):
    """The prior of the concepts to preserve; None if there are none."""
    names = "\n".join(f"{bench.concepts[name]['kind']}: {name}" for name in keep)
    return bench.run("MACE_PreservePrior", clip=bench.clip, captions="", names=names)[0] if keep else None
