"""Patches of other nodes in a pass with gradients, including patches that modify their inputs in place."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_attention import factors, loss_of

T = torch.tensor([400])
ROUNDING = 1e-3  # float32 through a trained network: two orders of summation differ by a few 1e-4


@pytest.fixture(scope="module")
def graph(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (conditioning,) = comfy.call("CLIPTextEncode", clip=clip, text="a photo of a ship")
    with torch.inference_mode():
        latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return model, clip, vae, conditioning, latents


def gradients(comfy, graph, model, whole=False, low_memory=False):
    """The gradients of the maps or, through the whole network, of the predicted noise."""
    *_, conditioning, latents = graph
    open_model = comfy.module("nodes.host.attention").attention_model
    with torch.inference_mode(), open_model(model, conditioning, latents, low_memory=low_memory) as unet:
        lora = factors(unet.layers)
        x_t, context = latents.clone(), conditioning[0][0].clone()
        if whole:
            loss = unet.predicted_noise(x_t, T, context, lora).square().sum()
        else:
            loss = loss_of(unet.attention(x_t, T, context, lora))
        loss.backward()
        return loss.item(), [U.grad for U, _ in list(lora.values())[:-1]]


def scale(h, in_place: bool):
    """Scales half of the channels by their own mean, like FreeU."""
    half, mean = h.shape[1] // 2, h.mean(1, keepdim=True).sigmoid()
    if not in_place:
        return torch.cat([h[:, :half] * (1 + mean), h[:, half:]], 1)
    h[:, :half] = h[:, :half] * (1 + mean)
    return h


def scale_words(n, in_place: bool):
    if not in_place:
        return n * 1.5 * n.mean(-1, keepdim=True).sigmoid()
    n *= n.mean(-1, keepdim=True).sigmoid()
    n *= 1.5
    return n


def middle(in_place):
    def patch(given):
        return {"h": scale(given["h"], in_place)}

    return patch


PATCHES = {
    "input_block_patch": lambda way: lambda h, options: scale(h, way),
    "input_block_patch_after_skip": lambda way: lambda h, options: scale(h, way),
    "output_block_patch": lambda way: lambda h, hsp, options: (scale(h, way), scale(hsp, way)),
    "middle_block_after_patch": middle,
    "attn1_patch": lambda way: lambda n, context, value, options: (scale_words(n, way), context, value),
    "attn1_output_patch": lambda way: lambda n, options: scale_words(n, way),
    "middle_patch": lambda way: lambda n, options: scale_words(n, way),
    "attn2_patch": lambda way: lambda n, context, value, options: (scale_words(n, way), context, value),
    "attn2_output_patch": lambda way: lambda n, options: scale_words(n, way),
}


@pytest.mark.parametrize("low_memory", [False, True], ids=["kept", "low memory"])
@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_that_writes_in_place_has_the_gradients_of_one_that_does_not(comfy, graph, name, low_memory):
    results = []
    for in_place in (True, False):
        model = graph[0].clone()
        model.set_model_patch(PATCHES[name](in_place), name)
        results.append(gradients(comfy, graph, model, low_memory=low_memory))
    (loss, ours), (expected, theirs) = results
    plain, _ = gradients(comfy, graph, graph[0])
    known = name in ("middle_block_after_patch", "middle_patch")  # does not exist on every host
    assert loss == pytest.approx(expected, rel=1e-5) and (known or loss != pytest.approx(plain, rel=1e-4))
    for a, b in zip(ours, theirs, strict=True):
        assert (a - b).norm() <= ROUNDING * b.norm()


def test_a_replacement_of_self_attention_that_writes_in_place(comfy, graph):
    def replacement(in_place):
        def attention(q, k, v, extra_options):
            q = scale_words(q, in_place)
            return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v

        return attention

    results = []
    for in_place in (True, False):
        model = graph[0].clone()
        model.set_model_attn1_replace(replacement(in_place), "middle", 0)
        results.append(gradients(comfy, graph, model))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    for a, b in zip(results[0][1], results[1][1], strict=True):
        assert (a - b).norm() <= ROUNDING * b.norm()


def node_patched(model, name):
    """A MODEL patched by one of the host's own nodes."""
    import nodes

    settings = {
        "FreeU": {"b1": 1.1, "b2": 1.2, "s1": 0.9, "s2": 0.2},
        "FreeU_V2": {"b1": 1.3, "b2": 1.4, "s1": 0.9, "s2": 0.2},
        "TomePatchModel": {"ratio": 0.3},
        "HyperTile": {"tile_size": 32, "swap_size": 2, "max_depth": 0, "scale_depth": False},
    }
    node = nodes.NODE_CLASS_MAPPINGS[name]
    run = node.execute if hasattr(node, "define_schema") else getattr(node(), node.FUNCTION)
    answer = run(model=model, **settings[name])
    return getattr(answer, "result", answer)[0]


@pytest.fixture(scope="module")
def extras(comfy):
    """The host's extra nodes, which a server loads but this process does not."""
    import asyncio

    import nodes

    asyncio.run(nodes.init_builtin_extra_nodes())


@pytest.mark.parametrize("whole", [False, True], ids=["maps", "predicted noise"])
@pytest.mark.parametrize("name", ["FreeU", "FreeU_V2", "TomePatchModel", "HyperTile"])
def test_the_hosts_own_patches(comfy, graph, extras, name, whole):
    loss, found = gradients(comfy, graph, node_patched(graph[0], name), whole)
    plain, _ = gradients(comfy, graph, graph[0], whole)
    assert torch.tensor(loss).isfinite() and all(grad.isfinite().all() for grad in found)
    assert any(grad.any() for grad in found) and loss != plain


@pytest.mark.parametrize("where", ["the MODEL's options", "the host's choice"])
def test_attention_without_a_gradient_is_not_used(comfy, graph, monkeypatch, where):
    import comfy.ldm.modules.attention as attention

    @attention.wrap_attn
    def attention_sage(q, k, v, heads, **_):
        raise AssertionError("this attention has no gradient")

    model = graph[0].clone()
    if where == "the host's choice":
        monkeypatch.setattr(attention, "optimized_attention", attention_sage)
    else:
        model.model_options["transformer_options"]["optimized_attention_override"] = (
            lambda function, *args, **named: attention_sage(*args, **named)
        )
    loss, found = gradients(comfy, graph, model)
    plain, expected = gradients(comfy, graph, graph[0]) if where != "the host's choice" else (loss, found)
    assert loss == pytest.approx(plain, rel=1e-4)
    for a, b in zip(found, expected, strict=True):
        assert b.any() and (a - b).norm() <= ROUNDING * b.norm()


def test_exact_training_and_learned_attacks_behind_freeu(comfy, graph, extras):
    model, clip, vae, *_ = graph
    model = node_patched(model, "FreeU_V2")
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    refined, _ = comfy.call("MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts)
    drawn, _ = comfy.call(
        "MACE_DrawConcepts",
        model=model,
        clip=clip,
        vae=vae,
        concepts=concepts,
        images=1,
        steps=1,
        cfg=4.0,
        seed=0,
        width=64,
        height=64,
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="whole image")
    _, loss = comfy.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=3,
        learning_rate=1e-2,
        seed=0,
        method="exact",
    )
    assert len(set(loss["loss"])) == 3
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    table, *_ = comfy.call(
        "MACE_ProbeErasure",
        before=model,
        after=refined,
        clip=clip,
        vae=vae,
        prompts="",
        concepts=concepts,
        latent=latent,
        judge="bundled (for the miniature model)",
        images=1,
        learning_steps=1,
        seed=0,
        steps=1,
        cfg=4.0,
    )
    assert "LoRA" in table
