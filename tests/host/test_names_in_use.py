"""Names people really use pass every stage and report; Suggest Surrogate writes them as they are read."""

import pytest

from tests.host.calls import DRAWING, JUDGE, small_graph

SHIP = "\U0001f6a2"
LINES = rf"""Yahoo! (N.W.A.) -> sea
person: Robert Downey Jr. -> a person
style: artist \(series\) (Sammy Davis\, Jr.) -> art
{SHIP}{chr(0x200B)} -> sky"""
TARGETS = ["Yahoo!", "Robert Downey Jr.", "artist (series)", SHIP]


@pytest.fixture(scope="module")
def graph(comfy):
    graph = small_graph(comfy)
    (graph.concepts,) = comfy.call("MACE_EraseConcepts", concepts=LINES, kind="object")
    return graph


def test_suggest_surrogate_reads_them_back(comfy, graph):
    _, written = comfy.call(
        "MACE_SuggestSurrogate", clip=graph.clip, targets=LINES, kind="object", candidates="", keep=""
    )
    assert comfy.call("MACE_EraseConcepts", concepts=written, kind="style")[0] == graph.concepts


def test_all_stages_and_reports(comfy, graph):
    assert [each.target for each in graph.concepts] == TARGETS
    given = {"clip": graph.clip, "concepts": graph.concepts}
    prior = comfy.call(
        "MACE_PreservePrior", clip=graph.clip, captions="", weight=1.0, names="Wow!\nf\\(x\\)"
    )[0]
    refined, stage_1 = comfy.call("MACE_CrossAttnRefine", model=graph.model, **given, prior=prior)
    size = {"width": 64, "height": 64}
    drawn, _ = comfy.call(
        "MACE_DrawConcepts", model=graph.model, vae=graph.vae, **given, images=1, **size, **DRAWING
    )
    masked, _ = comfy.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    settings = {"steps": 1, "learning_rate": 1e-2, "seed": 0, "method": "fast"}
    loras, _ = comfy.call("MACE_TrainConceptLoRA", refined=refined, training_set=masked, **given, **settings)
    (erasure,) = comfy.call(
        "MACE_FuseLoRAs", clip=graph.clip, refined=stage_1, concept_loras=loras, prior=prior
    )
    comfy.call("MACE_SaveErasure", erasure=erasure, name="names_in_use")
    (loaded,) = comfy.call("MACE_LoadErasure", name="names_in_use_00001.safetensors")
    assert loaded.concepts == graph.concepts
    (after,) = comfy.call(
        "MACE_ApplyErasedModel", model=graph.model, erasure=loaded, strength=1.0, clip=graph.clip
    )[:1]
    both = {"before": graph.model, "after": after, "vae": graph.vae, "latent": graph.latent, **given}
    table, *_ = comfy.call(
        "MACE_ScoreErasure",
        **both,
        keep=r"f \(x\)",
        synonyms="Yahoo!: Wow!",
        judge=JUDGE,
        images=1,
        never_named=r"g \(y\)",
        **DRAWING,
    )
    assert all(target in table for target in (*TARGETS, "f (x)", "g (y)", "Wow!"))
    comfy.call("MACE_ProbeErasure", **both, prompts="", judge=JUDGE, images=1, learning_steps=1, **DRAWING)
    prompt = f"Yahoo! , {SHIP} by artist (series)"
    del both["concepts"]
    comfy.call("MACE_ViewAttention", **both, prompt=prompt, **DRAWING)
