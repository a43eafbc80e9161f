"""What changes a fingerprint, what removes it, and that nothing is cached without a fingerprint."""

import pytest
import safetensors.torch
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_patches import LAYER

KEY = f"{LAYER}.weight"
DRAWING = {"images": 1, "steps": 1, "cfg": 4.0, "seed": 0, "width": 64, "height": 64}


@pytest.fixture(scope="module")
def graph(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


@pytest.fixture(scope="module")
def fingerprints(comfy):
    return comfy.module("nodes.host.fingerprints")


@pytest.fixture(scope="module")
def hooked(comfy, graph):
    """The CLIP after Create Hook LoRA and Set CLIP Hooks."""
    from comfy_extras.nodes_hooks import CreateHookLora, SetClipHooks

    clip, generator = graph[1], torch.Generator().manual_seed(0)
    key = next(key for key in clip.patcher.model_state_dict() if key.endswith("mlp.fc1.weight"))
    o, d = clip.patcher.model_state_dict()[key].shape
    name = "lora_te_" + key.removesuffix(".weight").partition("transformer.")[2].replace(".", "_")
    folder = comfy.base / "models" / "loras"
    folder.mkdir(exist_ok=True)
    safetensors.torch.save_file(
        {
            f"{name}.lora_up.weight": torch.randn(o, 4, generator=generator),
            f"{name}.lora_down.weight": torch.randn(4, d, generator=generator),
        },
        folder / "hook.safetensors",
    )
    (hooks,) = CreateHookLora().create_hook("hook.safetensors", 1.0, 1.0)
    return SetClipHooks().apply_hooks(clip, False, False, hooks)[0]


def changed(patcher, change):
    clone = patcher.clone()
    change(clone)
    return clone


def injected(patcher):
    from comfy.patcher_extension import PatcherInjection

    patcher.set_injections("test", [PatcherInjection(lambda model: None, lambda model: None)])


def wrapped(patcher):
    from comfy.patcher_extension import WrappersMP

    patcher.add_wrapper(WrappersMP.APPLY_MODEL, lambda run, *args, **named: run(*args, **named))


def called_back(patcher):
    from comfy.patcher_extension import CallbacksMP

    patcher.add_callback(CallbacksMP.ON_LOAD, lambda *_: None)


def with_hook_patches(patcher):
    import comfy.hooks

    patcher.add_hook_patches(comfy.hooks.WeightHook(), {KEY: (torch.ones(1),)})


UNTELLABLE = {
    "injections": injected,
    "wrappers": wrapped,
    "callbacks": called_back,
    "hook patches": with_hook_patches,
    "object patches": lambda patcher: patcher.add_object_patch("model_sampling", object()),
    "attachments": lambda patcher: patcher.set_attachments("test", object()),
    "additional models": lambda patcher: patcher.set_additional_models("test", [patcher.clone()]),
    "weight wrappers": lambda patcher: patcher.add_weight_wrapper(KEY, lambda weight: weight),
}
OPTIONS = {
    "attention patches": lambda patcher: patcher.set_model_attn2_patch(lambda *given: given[:3]),
    "a function around the model": lambda patcher: patcher.set_model_unet_function_wrapper(lambda *_: None),
}


@pytest.mark.parametrize("name", [*UNTELLABLE, *OPTIONS])
def test_a_model_that_cannot_be_told_apart_has_none(graph, fingerprints, name):
    model = changed(graph[0], (UNTELLABLE | OPTIONS)[name])
    assert fingerprints.model_fingerprint(model) is None
    assert fingerprints.model_fingerprint(graph[0])


@pytest.mark.parametrize("name", UNTELLABLE)
def test_a_text_encoder_that_cannot_be_told_apart_has_its_own(graph, fingerprints, name):
    plain = graph[1]
    if name == "hook patches":
        pytest.skip("covered by the hooked CLIP below")
    clip = plain.clone()
    UNTELLABLE[name](clip.patcher)
    fingerprint = fingerprints.encoder_fingerprint(clip)
    assert not fingerprints.is_told(fingerprint)
    assert fingerprints.encoder_fingerprint(clip) == fingerprint
    assert fingerprints.encoder_fingerprint(clip.clone()) != fingerprint
    assert fingerprints.is_told(fingerprints.encoder_fingerprint(plain))


def test_patches_count_wherever_they_come_from(graph, fingerprints):
    """Equal patches have equal fingerprints, others differ, and without patches it is the original one."""
    model = graph[0]
    delta = torch.full(model.model.get_submodule(LAYER).weight.shape, 0.01)
    once, again = (
        changed(model, lambda patcher, own=delta.clone(): patcher.add_patches({KEY: (own,)}, 1.0))
        for _ in range(2)
    )
    weaker = changed(model, lambda patcher: patcher.add_patches({KEY: (delta,)}, 0.5))
    of = fingerprints.model_fingerprint
    assert of(once) == of(again) and len({of(model), of(once), of(weaker)}) == 3
    assert fingerprints.base_fingerprint(once) == fingerprints.base_fingerprint(model)
    assert fingerprints.fingerprint_in_force(once) != fingerprints.fingerprint_in_force(model)
    once.patches[KEY].clear()  # as other nodes can do, without a new uuid from the host
    assert of(once) == of(model)


def test_a_fingerprint_is_computed_once_for_a_set_of_patches(graph, fingerprints, monkeypatch):
    model = graph[0].clone()
    delta = torch.full(model.model.get_submodule(LAYER).weight.shape, 0.02)
    patched = changed(model, lambda patcher: patcher.add_patches({KEY: (delta,)}, 1.0))
    hashed, compute = [], fingerprints._network_hash
    monkeypatch.setattr(fingerprints, "_network_hash", lambda model: hashed.append(model) or compute(model))
    for _ in range(3):
        fingerprints.model_fingerprint(patched)
        fingerprints.model_fingerprint(patched.clone())
    assert len(hashed) == 1


def test_a_freed_network_is_forgotten(comfy, fingerprints):
    import gc

    model = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[0]
    fingerprints.model_fingerprint(model)
    assert model.model in fingerprints._known
    before = len(fingerprints._known)
    del model
    gc.collect()
    assert len(fingerprints._known) < before


def test_hooks_on_clip_take_its_fingerprint_away(comfy, graph, fingerprints, hooked):
    plain, text = graph[1], {"text": "a photo of a ship"}
    embeddings = [comfy.call("CLIPTextEncode", clip=clip, **text)[0][0][0] for clip in (plain, hooked, plain)]
    assert torch.equal(embeddings[0], embeddings[2]) and not torch.equal(embeddings[0], embeddings[1])
    assert not fingerprints.is_told(fingerprints.encoder_fingerprint(hooked))
    assert fingerprints.is_told(fingerprints.encoder_fingerprint(plain))


def kept(comfy) -> set[str]:
    return {str(path) for path in (comfy.base / "models" / "mace").rglob("*.safetensors")}


def test_nothing_of_a_hooked_clip_is_kept_or_served(comfy, graph, hooked):
    """The prior, images and LoRAs of a hooked text encoder are its own and are not cached."""
    model, plain, vae = graph
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    results = {}
    for name, clip in (("plain", plain), ("hooked", hooked)):
        before = kept(comfy)
        network = {"model": model, "clip": clip, "concepts": concepts}
        (prior,) = comfy.call("MACE_PreservePrior", clip=clip, captions="a cat\na dog", weight=1.0)
        refined, _ = comfy.call("MACE_CrossAttnRefine", **network)
        drawn, images = comfy.call("MACE_DrawConcepts", **network, vae=vae, **DRAWING)
        masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="whole image")
        (lora,), _ = comfy.call(
            "MACE_TrainConceptLoRA",
            refined=refined,
            clip=clip,
            concepts=concepts,
            training_set=masked,
            steps=1,
            learning_rate=1e-2,
            seed=0,
            method="fast",
        )
        results[name] = prior.P, images, lora.C, lora.low_rank.tensors[-1]
        assert (kept(comfy) > before) if name == "plain" else (kept(comfy) == before)
    for ours, theirs in zip(*results.values(), strict=True):
        assert not torch.equal(ours, theirs)


@pytest.mark.parametrize(
    "dtype, says", [(torch.bfloat16, "bfloat16"), (torch.float8_e4m3fn, "float8_e4m3fn"), (torch.float16, "")]
)
def test_a_coarser_copy_of_the_text_encoder_is_not_refused(comfy, graph, dtype, says):
    """Apply Erased Model reports a doubt for coarser dtypes, and accepts fp16 and fp32 copies silently."""
    import folder_paths
    from comfy.sd import load_checkpoint_guess_config

    model, plain, _ = graph
    path = folder_paths.get_full_path_or_raise("checkpoints", CHECKPOINT)
    with torch.inference_mode():
        coarse = load_checkpoint_guess_config(
            path, output_model=False, output_vae=False, te_model_options={"dtype": dtype}
        )[1]
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    _, erasure = comfy.call("MACE_CrossAttnRefine", model=model, clip=plain, concepts=concepts)
    doubt = comfy.module("nodes.host.text_encoder").doubt_about(coarse, erasure)
    assert says in doubt and bool(doubt) == bool(says)
    comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, clip=coarse)


def test_another_text_encoder_is_refused(comfy, graph):
    model, plain, _ = graph
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    _, erasure = comfy.call("MACE_CrossAttnRefine", model=model, clip=plain, concepts=concepts)
    (skipped,) = comfy.call("CLIPSetLastLayer", clip=plain, stop_at_clip_layer=-2)
    with pytest.raises(ValueError, match="another text encoder"):
        comfy.call("MACE_ApplyErasedModel", model=model, erasure=erasure, strength=1.0, clip=skipped)
