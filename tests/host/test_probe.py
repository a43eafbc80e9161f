"""Probe Erasure on the miniature: a tiny budget through the node, and the two attacks that learn."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import torch

from mini.vocabulary import JUDGE
from tests.host.calls import refined_graph

BUNDLED_JUDGE = "bundled (for the miniature model)"
SETTINGS = {
    "prompts": "ship: a hull on water\na grey day",
    "judge": BUNDLED_JUDGE,
    "images": 2,
    "learning_steps": 3,
    "seed": 5,
    "steps": 2,
    "cfg": 4.0,
}


@pytest.fixture(scope="module")
def graph(comfy):
    return refined_graph(comfy)


def probe(comfy, graph, **changed):
    return comfy.call(
        "MACE_ProbeErasure",
        **{
            "before": graph.model,
            "after": graph.refined,
            "clip": graph.clip,
            "vae": graph.vae,
            "concepts": graph.concepts,
            "latent": graph.latent,
            **SETTINGS,
            **changed,
        },
    )


def state(model) -> dict:
    model.unpatch_model()
    return {
        name: hashlib.sha256(p.detach().numpy().tobytes()).hexdigest()
        for name, p in model.model.named_parameters()
    }


@pytest.fixture(scope="module")
def probed(comfy, graph):
    patches = dict(graph.refined.patches)
    before = state(graph.model)
    table, text, grid = probe(comfy, graph)
    assert state(graph.model) == before
    assert graph.refined.patches == patches and not graph.model.patches
    return SimpleNamespace(table=table, text=text, record=json.loads(text), grid=grid)


def test_budget_prompts_and_judge_are_recorded(comfy, probed):
    record, settings = probed.record, probed.record["settings"]
    assert settings["budget"]["steps"] == 3 and settings["budget"]["seed"] == settings["seed"] == 5
    weights = (JUDGE / "model.safetensors").read_bytes()
    assert record["judge"]["fingerprint"] == hashlib.sha256(weights).hexdigest()
    attacks = {each["attack"]: each for each in record["attacks"]}
    assert list(attacks["own prompts"]["prompts"]) == ["a hull on water", "a grey day"]
    assert all(sum(each["prompts"].values()) == 2 for each in attacks.values())
    for name in ("learned embedding", "LoRA re-training"):
        assert [len(attacks[name]["losses"][side]) for side in ("before", "after")] == [3, 3]
    saved = sorted((comfy.base / "output" / "mace").glob("probes_*.json"))
    assert saved[-1].read_text() == probed.text


def test_the_table_says_what_was_tried_and_that_nothing_is_deleted(probed):
    for words in (
        "Erasure is not deletion",
        "Strongest attack",
        "held-out templates",
        "misspellings",
        "a hull on water",
        "3 optimisation steps",
        "learned embedding",
        "LoRA re-training",
    ):
        assert words in probed.table
    assert probed.grid.shape[0] == 1 and probed.grid.shape[-1] == 3 and probed.grid.std() > 0.05


def test_what_an_attack_cannot_try_is_said(comfy, graph):
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="mushroom -> meadow", kind="object")
    table, text, _ = probe(
        comfy, graph, concepts=concepts, after=graph.model, prompts="", learning_steps=0, images=1, steps=1
    )
    not_tried = {each["attack"] for each in json.loads(text)["attacks"] if each["after"] is None}
    assert not_tried == {"other languages", "own prompts", "learned embedding", "LoRA re-training"}
    assert "optimisation steps is 0" in table
    assert "same model" in table


def test_both_attacks_learn_to_undo_the_erasure(comfy, graph):
    """After each attack, the erased network predicts the noise of the concept's images better."""
    module, attention = comfy.module("nodes.host.attacks"), comfy.module("nodes.host.attention")
    sampling, relearn = comfy.module("nodes.host.sampling"), comfy.module("mace_core.attacks.relearn")
    encoder = comfy.module("nodes.host.text_encoder").HostTextEncoder(graph.clip)
    (concept,) = graph.concepts
    with torch.inference_mode():
        plain = encoder.conditioning("a photo of the ship")
        latents = sampling.draw_latents(
            graph.model, plain, encoder.conditioning(""), 4, (64, 64), 6, 4.0, 0, lambda count: None
        )
        budget = relearn.Budget(steps=20, seed=1)
        attacks = [
            attack(graph.refined, encoder, concept, latents, budget, lambda *_: None)[:2]
            for attack in (module.with_learned_embedding, module.with_retrained_lora)
        ]

        def error(model, conditioning) -> float:
            g = torch.Generator().manual_seed(9)
            with attention.attention_model(model, conditioning, latents, training=False) as unet:
                x_0 = unet.scaled(latents).repeat(4, 1, 1, 1)
                t = torch.randint(1000, (len(x_0),), generator=g)
                eps = torch.randn(x_0.shape, generator=g)
                predicted = unet.predicted_noise(unet.noise(x_0, t, eps), t, conditioning[0][0], {})
                return (predicted - eps).square().mean().item()

        erased, unedited = error(graph.refined, plain), error(graph.model, plain)
        assert all(error(*attack) < 0.5 * (erased + unedited) for attack in attacks)


def test_the_noise_is_the_hosts_own(comfy, graph):
    """A LoRA on activations predicts the same noise as that LoRA patched into the weights."""
    attention = comfy.module("nodes.host.attention")
    encoder = comfy.module("nodes.host.text_encoder").HostTextEncoder(graph.clip)
    g = torch.Generator().manual_seed(3)
    with torch.inference_mode():
        conditioning = encoder.conditioning("a photo of the ship")
        context, x_t, t = conditioning[0][0], torch.randn(1, 4, 8, 8, generator=g), torch.tensor([400])
        with attention.attention_model(graph.refined, conditioning, x_t, training=False) as unet:
            lora = {
                name: (0.3 * torch.randn(o, 2, generator=g), 0.3 * torch.randn(2, d, generator=g))
                for name, (o, d) in unet.layers.items()
            }
            plain = unet.predicted_noise(x_t, t, context, {})
            ours = unet.predicted_noise(x_t, t, context, lora)
        patched = graph.refined.clone()
        patched.add_patches({f"{name}.weight": (U @ D,) for name, (U, D) in lora.items()})
        with attention.attention_model(patched, conditioning, x_t, training=False) as unet:
            sigma = graph.model.model.model_sampling.sigmas[t]
            denoised = patched.model.apply_model(x_t, sigma, c_crossattn=context, transformer_options={})
    expected = (x_t - denoised) / sigma
    assert (ours - expected).norm() < 1e-3 * expected.norm()
    assert (ours - plain).norm() > 1e-2 * plain.norm(), "the LoRA has no effect"
