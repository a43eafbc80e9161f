"""Growing and shrinking lists: only new concepts are generated and trained, with the result of a full run."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.rounding import TRAINED, identical, loras_apart

THREE = "ship -> sea\ndog -> ground\nperson: Mira Vance -> a person"
STEPS = 3


@pytest.fixture
def pack(comfy, monkeypatch, tmp_path):
    """The pack with its own models/mace; `pack.made` lists which concepts were generated and trained."""
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(tmp_path)], {".safetensors"}))
    made = []
    training, drawing = comfy.module("nodes.work.training"), comfy.module("nodes.work.generation")
    train, draw = training.train_concept_loras, drawing.draw_latents
    monkeypatch.setattr(
        training,
        "train_concept_loras",
        lambda unet, jobs, *rest: (
            made.extend(f"train {job.concept.target}" for job in jobs) or train(unet, jobs, *rest)
        ),
    )
    monkeypatch.setattr(drawing, "draw_latents", lambda *inputs: made.append("draw") or draw(*inputs))
    comfy.__dict__["made"] = made
    return comfy


@pytest.fixture(scope="module")
def loaded(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)


def run(pack, loaded, lines, ridge=10.0, images=2, **training):
    """The fused erasure of a list, through all nodes."""
    model, clip, vae = loaded
    (concepts,) = pack.call("MACE_EraseConcepts", concepts=lines, kind="object")
    refined, stage_1 = pack.call(
        "MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, ridge=ridge
    )
    drawn, _ = pack.call(
        "MACE_DrawConcepts",
        model=model,
        clip=clip,
        vae=vae,
        concepts=concepts,
        steps=2,
        images=images,
        cfg=4.0,
        seed=0,
        width=64,
        height=64,
    )
    masked, _ = pack.call("MACE_MaskConcepts", training_set=drawn, method="attention")
    training = {"steps": STEPS, "learning_rate": 1e-4, "seed": 0, "method": "exact", **training}
    loras, _ = pack.call(
        "MACE_TrainConceptLoRA",
        refined=refined,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        **training,
    )
    return pack.call("MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras, ridge=ridge)[0]


def assert_same(a, b):
    """LoRAs can differ by rounding, because batches differ; everything else must be equal."""
    assert a.concepts == b.concepts and torch.equal(a.T, b.T) and loras_apart(a, b) < TRAINED


def relative(x, y):
    return (x - y).norm() / y.norm()


def test_adding_costs_one_training_and_removing_none(pack, loaded, tmp_path, monkeypatch):
    ship, dog, mira = THREE.splitlines()
    run(pack, loaded, f"{ship}\n{dog}")
    assert pack.made == ["draw", "draw", "train ship", "train dog"]
    pack.made.clear()
    three = run(pack, loaded, THREE)
    assert pack.made == ["draw", "train Mira Vance"]
    pack.made.clear()
    without = run(pack, loaded, f"{ship}\n{mira}")
    run(pack, loaded, f"{ship}\n{mira}", ridge=50.0)  # settings of stages 1 and 3
    assert pack.made == []
    import folder_paths

    scratch = ([str(tmp_path / "scratch")], {".safetensors"})
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", scratch)
    assert_same(run(pack, loaded, THREE), three)
    scratch[0][0] = str(tmp_path / "again")
    assert_same(run(pack, loaded, f"{ship}\n{mira}"), without)
    assert len(pack.made) == 10


def test_whatever_a_lora_depends_on_trains_it_again(pack, loaded):
    model, clip, vae = loaded
    line = "ship -> sea"
    run(pack, loaded, line)
    changes = [
        (loaded, {"seed": 1}),
        (loaded, {"steps": 2}),
        (loaded, {"rank": 2}),
        (loaded, {"images": 1}),
        (loaded, {"focal_sampling": False}),
        (loaded, {"preset": "own values, end of text too"}),
    ]
    for checkpoint, change in changes:
        pack.made.clear()
        run(pack, checkpoint, line, **change)
        assert "train ship" in pack.made, change
    pack.made.clear()
    run(pack, loaded, line)
    assert pack.made == []
    run(pack, (edited(pack, model), clip, vae), line)
    assert pack.made == ["draw", "train ship"]


def edited(pack, model):
    """The MODEL with one weight changed, as by a LoRA upstream."""
    clone = model.clone()
    key = "diffusion_model.input_blocks.1.0.in_layers.2.bias"
    assert clone.add_patches({key: (torch.full_like(model.model_state_dict()[key], 0.01),)})
    return clone


def test_a_damaged_file_is_reported_and_made_again(pack, loaded, tmp_path, caplog):
    first = run(pack, loaded, "ship -> sea")
    for folder in ("concepts", "drawn"):
        [path] = (tmp_path / folder).glob("*.safetensors")
        whole = path.read_bytes()
        path.write_bytes(whole[:-100] + bytes(each ^ 1 for each in whole[-100:]))
    pack.made.clear()
    again = run(pack, loaded, "ship -> sea")
    assert pack.made == ["draw", "train ship"]
    assert sum("damaged" in record.getMessage() for record in caplog.records) == 2
    assert torch.equal(first.T, again.T) and identical(first.low_rank, again.low_rank)


def test_a_model_whose_patches_cannot_be_told_apart_is_not_kept(pack, loaded, tmp_path):
    model, clip, vae = loaded
    strange = model.clone()
    strange.set_model_attn1_patch(lambda q, k, v, extra_options: (q, k, v))
    for _ in range(2):
        run(pack, (strange, clip, vae), "ship -> sea")
    assert pack.made == ["draw", "train ship"] * 2
    kept = [path.name for path in tmp_path.rglob("*.safetensors")]
    assert all(name.startswith("reference-") for name in kept)  # of the text encoder, which is told apart


def test_presets_reach_every_stage(pack, loaded):
    model, clip, vae = loaded
    (concepts,) = pack.call(
        "MACE_EraseConcepts", kind="object", concepts="ship -> sea\nexplicit: naked -> clothes"
    )
    (prior,) = pack.call("MACE_PreservePrior", clip=clip, captions="", weight=1.0, everyday=True)
    for preset, loss, end in (("paper", "squared", False), ("published code", "norm", True)):
        refined, stage_1 = pack.call(
            "MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts, prior=prior, preset=preset
        )
        drawn, _ = pack.call(
            "MACE_DrawConcepts",
            model=model,
            clip=clip,
            vae=vae,
            concepts=concepts,
            steps=1,
            images=1,
            cfg=4.0,
            seed=0,
            width=64,
            height=64,
        )
        masked, _ = pack.call("MACE_MaskConcepts", training_set=drawn, method="attention")
        loras, _ = pack.call(
            "MACE_TrainConceptLoRA",
            refined=refined,
            clip=clip,
            concepts=concepts,
            training_set=masked,
            steps=1,
            learning_rate=1e-2,
            seed=0,
            method="fast",
            preset=preset,
        )
        assert {lora.provenance.method for lora in loras} == {"exact"}  # the only method of the authors
        (fused,) = pack.call(
            "MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras, prior=prior, preset=preset
        )
        l1 = 7e-7
        assert fused.settings.refine.to_json() == {
            "preserve_weight": l1 if preset == "paper" else l1 * l1,
            "ridge": 0.0,
            "relative_ridge": 0.0,
        }
        assert fused.settings.fuse.to_json() == {"preserve_weight": l1, "ridge": 0.0, "relative_ridge": 0.0}
        settings = [lora.provenance.settings for lora in loras]
        assert [each.steps for each in settings] == [50, 120]
        assert [each.cfis for each in settings] == [True, False]
        assert {each.loss for each in settings} == {loss}
        assert {each.suppress_end_of_text for each in settings} == {end}


def test_kinds_of_a_mixed_list_are_weighed_in_both_closed_forms(pack, loaded, monkeypatch):
    model, clip, vae = loaded
    lines = "ship -> sea\ndog -> ground\nperson: Mira Vance -> a person"
    (concepts,) = pack.call("MACE_EraseConcepts", concepts=lines, kind="object")
    drawn, _ = pack.call(
        "MACE_DrawConcepts",
        model=model,
        clip=clip,
        vae=vae,
        concepts=concepts,
        steps=1,
        images=1,
        cfg=4.0,
        seed=0,
        width=64,
        height=64,
    )
    masked, _ = pack.call("MACE_MaskConcepts", training_set=drawn, method="attention")

    def refined():
        return pack.call("MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts)

    network, stage_1 = refined()
    loras, _ = pack.call(
        "MACE_TrainConceptLoRA",
        refined=network,
        clip=clip,
        concepts=concepts,
        training_set=masked,
        steps=1,
        learning_rate=1e-2,
        seed=0,
    )

    def fused():
        return pack.call("MACE_FuseLoRAs", clip=clip, refined=stage_1, concept_loras=loras)[0]

    presets = pack.module("mace_core.presets")
    assert presets.own_kind_weights(concepts) == {"object": 1.5, "person": 3.0}
    makes = (lambda: refined()[1].T, lambda: torch.cat([D for _, D in fused().low_rank.values()]))
    weighed = [make() for make in makes]
    assert all(torch.equal(make(), before) for make, before in zip(makes, weighed, strict=True))
    monkeypatch.setattr(presets, "own_kind_weights", lambda _: {"object": 1.0, "person": 1.0})
    assert not any(torch.allclose(make(), before) for make, before in zip(makes, weighed, strict=True))


def test_stage_1_leaves_out_prompts_that_name_another_concept(pack, loaded, monkeypatch):
    model, clip, _ = loaded
    encoder = pack.module("nodes.host.text_encoder").HostTextEncoder
    encode, asked = encoder.encode, set()
    monkeypatch.setattr(encoder, "encode", lambda self, texts: asked.update(texts) or encode(self, texts))
    for lines, told in (("fox -> meadow", True), ("fox -> meadow\nstyle: sepia -> colour", False)):
        (concepts,) = pack.call("MACE_EraseConcepts", concepts=lines, kind="object")
        asked.clear()
        pack.call("MACE_CrossAttnRefine", model=model, clip=clip, concepts=concepts)
        assert ("a sepia photo of an old fox" in asked) == told and "a photo of the fox" in asked


def test_the_names_of_each_kind_are_a_prior_of_their_own(pack, loaded):
    _, clip, _ = loaded

    def prior(captions="", names=""):
        return pack.call("MACE_PreservePrior", clip=clip, captions=captions, names=names, weight=1.0)[0]

    apart = [prior("a photo of a cat"), prior(names="horse\ncow"), prior(names="person: Jo Doe")]
    together = prior("a photo of a cat", "horse\nperson: Jo Doe\ncow")
    assert relative(together.P, sum(each.P for each in apart)) < 1e-12
    assert together.captions == sum(each.captions for each in apart)


def test_a_prior_is_read_once(pack, loaded, monkeypatch):
    _, clip, _ = loaded
    asked = []
    encoder = pack.module("nodes.host.text_encoder").HostTextEncoder
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda self, texts: asked.extend(texts) or encode(self, texts))
    given = {"clip": clip, "captions": "a photo of a cat", "names": "person: Jo Doe", "everyday": True}
    (first,) = pack.call("MACE_PreservePrior", **given, weight=1.0)
    assert len(asked) > 700
    asked.clear()
    (again,) = pack.call("MACE_PreservePrior", **given, weight=2.0, other=first)
    assert asked == [] and relative(again.P, first.P * 3) < 1e-12
    (people,) = pack.call("MACE_EraseConcepts", concepts="person: Jo Doe -> a person", kind="object")
    parts = [given | {"names": ""}, given | {"captions": "", "everyday": False}]
    parts = [pack.call("MACE_PreservePrior", **each, weight=1.0)[0] for each in parts]
    (domain,) = pack.call("MACE_PreservePrior", **given, weight=1.0, concepts=people)
    assert relative(domain.P * 616767, sum(each.P * 8e3 * each.captions for each in parts)) < 1e-9
