"""Calls of the nodes that generate images, each with one image of the miniature and one step."""

from types import SimpleNamespace

from tests.host.graphs import CHECKPOINT

JUDGE = "bundled (for the miniature model)"
DRAWING = {"seed": 0, "steps": 1, "cfg": 4.0}


def small_graph(comfy, lines: str = "ship -> sea") -> SimpleNamespace:
    """The inputs of these calls: the loader's outputs, concepts and an empty latent."""
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts=lines, kind="object")
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)
    return SimpleNamespace(model=model, clip=clip, vae=vae, concepts=concepts, latent=latent)


def refined_graph(comfy, lines: str = "ship -> sea") -> SimpleNamespace:
    """small_graph, plus the refined MODEL."""
    graph = small_graph(comfy, lines)
    given = {"model": graph.model, "clip": graph.clip, "concepts": graph.concepts}
    graph.refined, _ = comfy.call("MACE_CrossAttnRefine", **given)
    return graph


def draw(comfy, graph, model=None, vae=None):
    return comfy.call(
        "MACE_DrawConcepts",
        model=model or graph.model,
        clip=graph.clip,
        vae=vae or graph.vae,
        concepts=graph.concepts,
        images=1,
        width=64,
        height=64,
        **DRAWING,
    )


def latents(comfy, model, clip, text: str = "a photo of a ship", steps: int = 2, count: int = 1):
    """The latents that ComfyUI's KSampler gives for a prompt, always from the same noise."""
    (positive,) = comfy.call("CLIPTextEncode", clip=clip, text=text)
    (negative,) = comfy.call("CLIPTextEncode", clip=clip, text="")
    (empty,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=count)
    (result,) = comfy.call(
        "KSampler",
        model=model,
        seed=1,
        steps=steps,
        cfg=4.0,
        sampler_name="euler",
        scheduler="normal",
        positive=positive,
        negative=negative,
        latent_image=empty,
        denoise=1.0,
    )
    return result["samples"]


def view(comfy, graph, model, vae=None, latent=None):
    return comfy.call(
        "MACE_ViewAttention",
        before=model,
        clip=graph.clip,
        vae=vae or graph.vae,
        latent=latent or graph.latent,
        prompt="a ship",
        **DRAWING,
    )


def score(comfy, graph, model, vae=None):
    return comfy.call(
        "MACE_ScoreErasure",
        before=model,
        after=model,
        clip=graph.clip,
        vae=vae or graph.vae,
        concepts=graph.concepts,
        latent=graph.latent,
        keep="cat",
        synonyms="",
        judge=JUDGE,
        images=1,
        never_named="lion",
        **DRAWING,
    )


def probe(comfy, graph, model, vae=None):
    return comfy.call(
        "MACE_ProbeErasure",
        before=model,
        after=model,
        clip=graph.clip,
        vae=vae or graph.vae,
        concepts=graph.concepts,
        latent=graph.latent,
        prompts="",
        judge=JUDGE,
        images=1,
        learning_steps=1,
        **DRAWING,
    )


def own_pictures(comfy, vae, pictures, **inputs):
    return comfy.call("MACE_TrainingSetFromImages", images=pictures, vae=vae, concept="ship", **inputs)


NODES = [draw, view, score, probe]
