"""Score Erasure and Suggest Surrogate on the miniature, with few steps and few images."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from PIL import ImageOps

from mace_core.version import VERSION
from mini.vocabulary import JUDGE
from tests.host.calls import refined_graph

BUNDLED_JUDGE = "bundled (for the miniature model)"
SETTINGS = {
    "keep": "cat\nprompt: two dogs",
    "synonyms": "boat",
    "judge": BUNDLED_JUDGE,
    "images": 2,
    "seed": 5,
    "steps": 2,
    "cfg": 4.0,
    "never_named": "fox",
}


@pytest.fixture(scope="module")
def graph(comfy):
    return refined_graph(comfy)


def score(comfy, graph, after=None, **changed):
    return comfy.call(
        "MACE_ScoreErasure",
        before=graph.model,
        after=after or graph.refined,
        clip=graph.clip,
        vae=graph.vae,
        concepts=graph.concepts,
        latent=graph.latent,
        **{**SETTINGS, **changed},
    )


@pytest.fixture(scope="module")
def scored(comfy, graph):
    table, scores, grid, chart = score(comfy, graph)
    return SimpleNamespace(table=table, text=scores, record=json.loads(scores), grid=grid, chart=chart)


@pytest.fixture(scope="module")
def ordinary_judge(comfy) -> str:
    """An untrained transformers CLIP of the usual layout, in a folder where users put judges."""
    from transformers import CLIPConfig, CLIPModel

    folder = comfy.base / "models" / "mace" / "judges" / "tiny"
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokens = json.loads((JUDGE / "config.json").read_text())["text_config"]
    special = {name: tokens[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id", "vocab_size")}
    torch.manual_seed(0)
    model = CLIPModel(
        CLIPConfig(
            text_config={**sizes, **special, "max_position_embeddings": tokens["max_position_embeddings"]},
            vision_config={**sizes, "image_size": 32, "patch_size": 16},
            projection_dim=16,
        )
    )
    model.save_pretrained(folder)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(JUDGE / name, folder)
    mean, spread = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"image_mean": mean, "image_std": spread, "resample": 3, "size": 32, "crop_size": 32})
    )
    return "mace/judges/tiny"


def test_everything_that_made_the_figures_is_recorded(comfy, scored):
    record, settings = scored.record, scored.record["settings"]
    assert settings["seeds"] == [5, 6] and settings["size"] == [64, 64]
    assert (settings["steps"], settings["cfg"], settings["images"]) == (2, 4.0, 2)
    assert settings["concepts"][0]["target"] == "ship" and record["pack"] == VERSION
    weights = (JUDGE / "model.safetensors").read_bytes()
    assert record["judge"] == {"name": BUNDLED_JUDGE, "fingerprint": hashlib.sha256(weights).hexdigest()}
    assert record["models"]["erased_by_patches"] == ["ship"]
    assert record["models"]["before"] != record["models"]["after"]
    saved = (comfy.base / "output" / "mace").glob("scores_*.json")
    assert scored.text in [path.read_text() for path in saved]


def test_each_prompt_is_scored_by_what_it_is(scored):
    prompts = {each["phrase"]: each for each in scored.record["prompts"]}
    groups = {name: each["group"] for name, each in prompts.items()}
    assert groups == {
        "ship": "erased",
        "boat": "synonym",
        "cat": "neighbour",
        "two dogs": "kept",
        "fox": "never named",
    }
    assert prompts["boat"]["expected"] == "ship" and not prompts["boat"]["given"]
    assert prompts["two dogs"]["before"]["top1"] is None and prompts["two dogs"]["drift"]["pixels"] > 0
    answers = scored.record["questions"][prompts["ship"]["question"]]
    assert {"ship", "cat", "sea", "person"} <= set(answers) and "boat" not in answers
    for accuracy in ("top1", "mean_probability"):
        sides = scored.record["scores"][accuracy]
        assert sides["before"]["acc_s"] == prompts["cat"]["before"][accuracy]
        assert sides["after"]["acc_e"] == prompts["ship"]["after"][accuracy]


def test_the_judge_sees_what_the_hosts_own_nodes_draw(comfy, graph, scored):
    """Image 1 of every prompt equals that of KSampler with the next seed."""
    from mace_core.evaluation.judge import Judge

    pictures = []
    (positive,) = comfy.call("CLIPTextEncode", clip=graph.clip, text="a photo of the ship")
    (negative,) = comfy.call("CLIPTextEncode", clip=graph.clip, text="")
    for seed in scored.record["settings"]["seeds"]:
        (latent,) = comfy.call(
            "KSampler",
            model=graph.model,
            seed=seed,
            steps=2,
            cfg=4.0,
            sampler_name="euler",
            scheduler="normal",
            positive=positive,
            negative=negative,
            latent_image=graph.latent,
        )
        pictures.append(comfy.call("VAEDecode", samples=latent, vae=graph.vae)[0])
    answers = scored.record["questions"][0]
    said = Judge.load(JUDGE).probabilities(torch.cat(pictures), list(answers.values()), "{}")
    expected = said[:, list(answers).index("ship")].mean().item()
    assert scored.record["prompts"][0]["before"]["mean_probability"] == pytest.approx(expected, rel=1e-3)


def test_the_table_names_both_accuracies(scored):
    for words in (
        "top-1 before",
        "mean probability before",
        "Acc_e",
        "Acc_g",
        "Acc_s",
        "H_o",
        "H_c",
        "CLIP_e",
        "CLIP_s",
        "H_a",
        "Drift",
        "a photo of the boat",
        "scores_0000",
    ):
        assert words in scored.table


def test_the_pictures_are_images_of_the_host(scored):
    for image in (scored.grid, scored.chart):
        assert image.ndim == 4 and image.shape[0] == 1 and image.shape[-1] == 3
        assert 0 <= image.min() and image.max() == 1 and image.std() > 0.05


def test_the_same_model_twice_does_not_drift(comfy, graph):
    table, scores, *_ = score(comfy, graph, after=graph.model, keep="cat", images=1)
    record = json.loads(scores)
    assert record["scores"]["drift"]["kept"] == 0
    assert record["scores"]["top1"]["before"] == record["scores"]["top1"]["after"]
    assert "same model" in table


def test_without_lists_the_judges_own_names_are_drawn(comfy, graph):
    record = json.loads(score(comfy, graph, keep="", synonyms="", images=1, steps=1)[1])
    phrases = {
        group: [each["phrase"] for each in record["prompts"] if each["group"] == group]
        for group in ("erased", "synonym", "neighbour", "kept")
    }
    assert phrases["erased"] == ["ship"] and phrases["synonym"] == ["vessel", "boat", "watercraft"]
    assert len(phrases["neighbour"]) == 3 and len(phrases["kept"]) == 6
    assert phrases["kept"][0] == "airplane"


def test_an_ordinary_clip_scores_through_the_same_node(comfy, graph, ordinary_judge):
    record = json.loads(score(comfy, graph, judge=ordinary_judge, images=1, keep="bicycle")[1])
    assert record["judge"]["name"] == ordinary_judge
    question = record["questions"][record["prompts"][0]["question"]]
    assert question["bicycle"] == "a photo of a bicycle" and "sea" in question
    mean = record["scores"]["mean_probability"]["before"]["acc_e"]
    assert 0 < mean < 1
    host = comfy.module("nodes.host.folders")
    assert not [name for name in host.erasure_names() if "judges" in name], "a judge is not an erasure"


def test_a_judge_that_is_not_there_or_no_clip_is_refused(comfy, graph, ordinary_judge):
    with pytest.raises(ValueError, match="Judge 'clip/none' not found"):
        score(comfy, graph, judge="clip/none")
    tiny = comfy.base / "models" / "mace" / "judges" / "tiny"
    other = comfy.base / "models" / "clip" / "t5"
    shutil.copytree(tiny, other)
    (other / "config.json").write_text('{"model_type": "t5"}')
    with pytest.raises(ValueError, match="type 't5'"):
        score(comfy, graph, judge="clip/t5")
    (other / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="'t5' .*model.safetensors"):
        score(comfy, graph, judge="clip/t5")


def test_the_bundled_judge_judges_the_miniature_only(comfy, monkeypatch):
    module = comfy.module("nodes.host.judge")
    monkeypatch.setattr(module, "cross_attention_layers", lambda model: {"attn2.to_k": (320, 768)})
    with pytest.raises(ValueError, match="bundled judge"):
        module.HostJudge(BUNDLED_JUDGE, None)


def test_time_left_is_told_from_the_second_step_on(comfy, monkeypatch):
    """The first step also loads models, so it says little about the others."""
    module, said, clock = comfy.module("nodes.host.progress"), [], [0.0]
    monkeypatch.setattr(module, "send_text", said.append)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    progress = module.TimedProgress("Score", 10)
    for now, amount, text in (
        (60, 1, "Score: ship"),
        (62, 1, "Score: ship, about 16 s left"),
        (70, 8, "Score: done in 70 s"),
    ):
        clock[0] = now
        progress.step("ship", amount)
        assert said[-1] == text


def test_losses_of_many_concepts_have_a_panel_each(comfy):
    module = comfy.module("nodes.reports.loss_curves")
    assert module.running_mean([4, 2, 0, 0, 0, 10]) == [4, 2, 0, 0, 0, 10]
    assert module.running_mean([1.0] * 5 + [0.0] * 5)[4:7] == [1.0, 0.5, 0.0]
    heights = [
        module.loss_sheet([(f"concept {number}", [3.0, 2.0, 1.0]) for number in range(many)]).height
        for many in (1, 5, 6, 100, 1000)
    ]
    assert heights[0] == heights[1] < heights[2] < heights[3] == heights[4]
    assert module.loss_sheet([("one step", [1.0])]).width > 0


def test_the_loss_of_one_concept_fills_the_sheet(comfy):
    module = comfy.module("nodes.reports.loss_curves")
    sheet = module.loss_sheet([("ship", [3.0, 1.0])])
    right = ImageOps.invert(sheet.convert("L")).getbbox()[2]
    assert right == pytest.approx(sheet.width - module.MARGIN, abs=4)


def test_suggestions_come_from_the_clip_on_the_wire(comfy, graph):
    text, concepts = comfy.call(
        "MACE_SuggestSurrogate",
        clip=graph.clip,
        kind="object",
        candidates="harbour",
        targets="ship\nperson: Mira Vance\nairplane -> sky",
        keep="boat\nMira Marlow",
    )
    (parsed,) = comfy.call("MACE_EraseConcepts", concepts=concepts, kind="style")
    assert [each.kind for each in parsed] == ["object", "person", "object"]
    assert [each.surrogate for each in parsed[1:]] == ["a person", "sky"]
    assert "'boat' is to be preserved" in text
    assert "'Mira Marlow' shares 'Mira'" in text and "harbour" in text


def test_headings_fit_beside_a_single_image(comfy):
    """The margin to the right of the last heading stays empty."""
    sheet = comfy.module("nodes.reports.before_after")
    grid = comfy.module("nodes.reports.score_grid").LAYOUT
    picture = sheet.draw_sheet("One", ["row"], lambda *_: torch.zeros(1, 64, 64, 3), lambda *_: None, grid)
    margin = picture.crop((picture.width - sheet.MARGIN, 0, picture.width, sheet.MARGIN + grid.header))
    assert len(set(margin.getdata())) == 1
