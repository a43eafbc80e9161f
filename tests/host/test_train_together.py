"""Stage 2 with several concepts in the host: batches match separate training, even if memory runs out."""

import pytest
import torch

from mace_core.training.effect import HELD_OUT
from tests.host.graphs import CHECKPOINT
from tests.rounding import TRAINED, identical, loras_apart

LINES = "ship -> sea\ncat -> ground\nperson: Mira Vance -> a person"


@pytest.fixture(scope="module")
def stage_2(comfy):
    """MODEL, text encoder, and concepts with their images, created by the nodes."""
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = run(comfy, "MACE_EraseConcepts", concepts=LINES, kind="object")
    drawn, _ = run(
        comfy,
        "MACE_DrawConcepts",
        model=model,
        clip=clip,
        vae=vae,
        concepts=concepts,
        images=2,
        steps=2,
        cfg=4.0,
        width=64,
        height=64,
    )
    masked, _ = run(comfy, "MACE_MaskConcepts", training_set=drawn, method="whole image")
    items = comfy.module("nodes.work.training").checked_items(concepts, masked)
    return model, comfy.module("nodes.host.text_encoder").HostTextEncoder(clip), items


def run(comfy, node_id, **inputs):
    """Calls a node with the defaults of its other inputs."""
    schema = comfy.nodes[node_id].define_schema()
    defaults = {each.id: getattr(each, "default", None) for each in schema.inputs}
    defaults = {name: value for name, value in defaults.items() if value is not None}
    return comfy.call(node_id, **{**defaults, **inputs})


def train(comfy, stage_2, items=None, method="exact") -> list:
    """[(ConceptLoRA, losses)], as Train Concept LoRA computes them for concepts that are not cached."""
    model, encoder, all_items = stage_2
    settings = comfy.module("mace_core.training.settings").TrainSettings(steps=6, learning_rate=1e-3, seed=3)
    progress = comfy.module("nodes.host.progress").TimedProgress("Train LoRA", 18)
    with torch.inference_mode():
        groups = comfy.module("nodes.work.training").train_all(
            model, encoder, items or all_items, settings, method, progress
        )
        return [result for _, results in groups for result in results]


def batches_seen(comfy, monkeypatch):
    """Records the batch size of every later call of the network."""
    seen, model = [], comfy.module("nodes.host.attention").HostAttentionModel
    attention = model.attention
    monkeypatch.setattr(
        model, "attention", lambda self, x_t, *rest: seen.append(len(x_t)) or attention(self, x_t, *rest)
    )
    return seen


def assert_same(lora, expected):
    assert lora.concept == expected.concept and loras_apart(lora, expected) < TRAINED


def test_concepts_in_one_batch_are_trained_as_alone(comfy, stage_2, monkeypatch):
    seen = batches_seen(comfy, monkeypatch)
    together = train(comfy, stage_2)
    assert seen == [3] * (6 + 2 * HELD_OUT)
    for item, (lora, losses) in zip(stage_2[2], together, strict=True):
        [(alone, expected)] = train(comfy, stage_2, [item])
        assert lora.concept == item.concept and losses == pytest.approx(expected, rel=1e-4)
        assert_same(lora, alone)


def test_gradients_in_one_batch_are_those_of_training_alone(comfy, stage_2, monkeypatch):
    """For the first step, where the factors are bit-identical."""
    model, seen = comfy.module("nodes.host.attention").HostAttentionModel, []
    attention = model.attention

    def recording(self, x_t, t, context, lora):
        if torch.is_grad_enabled():  # not a sample held out
            seen.append({name: U for name, (U, _) in lora.items()})
            for U in seen[-1].values():
                U.retain_grad()
        return attention(self, x_t, t, context, lora)

    monkeypatch.setattr(model, "attention", recording)
    train(comfy, stage_2)
    together, last = seen[0], list(seen[0])[-1]
    assert together.pop(last).grad is None and last.endswith("to_v")  # no later layer enters the loss
    for number, item in enumerate(stage_2[2]):
        seen.clear()
        train(comfy, stage_2, [item])
        found = torch.cat([factor.grad[number] for factor in together.values()])
        expected = torch.cat([seen[0][name].grad[0] for name in together])
        # batches use different kernels, which round gradients through the whole network to a few 1e-6
        assert (found - expected).norm() <= 1e-4 * expected.norm()


def test_out_of_memory_halves_the_batch_and_changes_nothing(comfy, stage_2, monkeypatch):
    expected = train(comfy, stage_2)
    model, seen = comfy.module("nodes.host.attention").HostAttentionModel, []
    attention = model.attention

    def small_device(self, x_t, *rest):
        seen.append(len(x_t))
        if len(x_t) > 1:
            raise torch.cuda.OutOfMemoryError("a device for one sample")
        return attention(self, x_t, *rest)

    monkeypatch.setattr(model, "attention", small_device)
    found = train(comfy, stage_2)
    assert seen == [3] + [1] * 3 * (6 + 2 * HELD_OUT)
    for (lora, _), (wanted, _) in zip(found, expected, strict=True):
        assert_same(lora, wanted)


def test_the_batch_follows_the_free_memory(comfy, stage_2, monkeypatch):
    import comfy.model_management as management

    memory = comfy.module("nodes.host.memory")
    model, _, [item, *_] = stage_2
    images = item.images
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    one = memory.training_memory(model, layers, [1, *images.latents.shape[1:]], False)
    # if one does not fit, activations are recomputed, which takes a third of the memory
    for free, most in ((0, 1), (1, 2), (2.5, 2), (7, 6), (1000, memory.MOST_AT_ONCE)):
        monkeypatch.setattr(management, "get_free_memory", lambda device, free=free: free * one)
        assert memory.concepts_at_once(model, images.latents) == most


def test_fast_turns_attention_away_one_sample_at_a_time(comfy, stage_2, monkeypatch):
    model, seen = comfy.module("nodes.host.attention").HostAttentionModel, []
    queries = model.queries
    monkeypatch.setattr(
        model, "queries", lambda self, x_t, *rest: seen.append(len(x_t)) or queries(self, x_t, *rest)
    )
    found = train(comfy, stage_2, method="fast")
    fast = comfy.module("mace_core.training.closed_form")
    assert seen == [1] * (fast.DEFAULT.samples + fast.FEW) * 3  # the memory of one sample
    for (lora, (before, after)), (again, _) in zip(found, train(comfy, stage_2, method="fast"), strict=True):
        assert after < before and all(name.endswith("attn2.to_k") for name in lora.low_rank)
        assert identical(lora.low_rank, again.low_rank)


def test_queries_are_those_behind_the_maps(comfy, stage_2):
    """The softmax of q k is the attention that the loss uses."""
    model, encoder, [item, *_] = stage_2
    images = item.images
    weights = model.model.state_dict()
    with torch.inference_mode():
        context = encoder.encode(["a photo of a ship"]).embeddings
        attention_model = comfy.module("nodes.host.attention").attention_model
        with attention_model(model, encoder.conditioning(""), images.latents, training=False) as unet:
            x_t, t = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([300])
            queries = unet.queries(x_t, t, context.clone(), lambda q: q)
            maps = unet.attention(x_t, t, context.clone(), {})
        for (name, q), A in zip(queries.items(), maps, strict=True):
            k = context @ weights[f"{name}.weight"].float().T
            k = k.unflatten(-1, (q.shape[1], q.shape[-1])).transpose(1, 2)
            expected = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
            torch.testing.assert_close(A, expected, atol=1e-4, rtol=1e-3)  # attention is at most 1
