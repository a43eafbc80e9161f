"""How the report measures: checks on the parts whose errors the figures would not reveal."""

import json
from types import SimpleNamespace

import pytest
import torch

from dev.bench.markdown import with_marked
from dev.host.launch import make_importable
from dev.miniature.figures import attention, card
from dev.miniature.figures.artist import Artist, plain_prompt
from dev.miniature.figures.curves import draw_curves
from dev.miniature.figures.drawn import held_out_templates, split
from dev.miniature.judge import corners
from dev.miniature.logs import LINES, keep_logs, read_log
from dev.miniature.report import AT_LEAST, AT_MOST, Figure, as_json, from_json
from dev.miniature.world import load_world

WORLD = load_world()
FIGURES = {
    "names": Figure("drawn by name", 91.26, AT_LEAST, 92.0, 95.5, "ship"),
    "seconds": Figure("seconds", 0.5, AT_MOST, 1.0),
}


@pytest.fixture(scope="module")
def artist() -> Artist:
    make_importable()
    return Artist.load(WORLD)


def test_recorded_maps_are_those_the_layers_use(artist):
    """Recomputes a layer's output from its recorded probabilities, its values and its output projection."""
    generator = torch.Generator().manual_seed(0)
    outputs, values = {}, {}
    layer = "input_blocks.4.1.transformer_blocks.0.attn2"
    module = artist.unet.get_submodule(layer)
    watch = [
        module.register_forward_hook(lambda _m, _i, out: outputs.update({layer: out})),
        module.to_v.register_forward_hook(lambda _m, _i, out: values.update({layer: out})),
    ]
    with attention.recorded(artist.unet) as maps:
        context = artist.contexts(["a photo of the ship", "a photo of the cat"])
        artist.unet(torch.randn(2, 4, 8, 8, generator=generator), torch.tensor([500, 500]), context=context)
    for hook in watch:
        hook.remove()
    assert len(maps) == 11
    split_values = values[layer].unflatten(-1, (module.heads, module.dim_head)).transpose(1, 2)
    expected = module.to_out((maps[layer] @ split_values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(outputs[layer], expected, atol=1e-5, rtol=1e-4)
    assert not artist.unet.get_submodule(layer)._forward_hooks


def test_attention_is_compared_with_the_area():
    mask = torch.zeros(1, 64, 64)
    mask[:, :32, :32] = 1
    concept = torch.tensor([[False, True, False]])
    even = torch.full((1, 2, 64, 3), 1 / 3)
    inside = torch.zeros(1, 2, 8, 8, 3)
    inside[:, :, :4, :4, 1] = 1
    inside[:, :, 4:, 4:, 2] = 1  # attention of another token does not count
    assert attention.times_chance(even, concept, mask).item() == pytest.approx(1)
    assert attention.times_chance(inside.flatten(2, 3), concept, mask).item() == pytest.approx(4)


@pytest.mark.parametrize("name", ["ship", "Mira Vance", "snowman"])
def test_a_concepts_two_sources_are_kept_apart(artist, name):
    thing = next(thing for thing in artist.nameable if thing.name == name)
    word, rest = split(artist, thing)
    [told] = artist.contexts([plain_prompt(thing)])
    own = (word == told).all(-1)
    start = plain_prompt(thing, "|").split("|")[0].split()
    before = 1 + len(start)  # tokens before the concept do not depend on it: equal in every prompt
    assert own[:before].all() and own[before:].any()
    last = int(own.nonzero().max())
    assert not own[last + 1 :].any()
    assert (rest == told).all(-1).tolist() == [not before <= i <= last for i in range(77)]


def test_held_out_templates_are_in_no_training_caption():
    from dev.miniature.captions import FRAMES, PLACED, RENDERED, STYLED, WORDLESS

    rendered = [frame for frames in RENDERED.values() for frame in frames]
    taught = {*FRAMES, *STYLED, *PLACED[True], *PLACED[False], *rendered, *WORDLESS}
    assert len(held_out_templates()) >= 3
    assert not taught & set(held_out_templates())


def test_a_report_is_read_back_as_it_was_written():
    again = from_json(as_json(FIGURES, {"names": {"ship": 90.0, "cat": 10.0}}))
    assert list(again) == ["names", "seconds"]
    assert again["seconds"] == FIGURES["seconds"]
    assert again["names"].measured == pytest.approx(91.26)
    assert [figure.met for figure in again.values()] == [False, True]


def test_the_card_takes_the_table_between_its_markers_and_nothing_else():
    text = f"# before\n{card.BEGIN}\nold\n{card.END}\nafter\n"
    once = with_marked(text, card.BEGIN, card.END, card.table(FIGURES))
    assert once.startswith("# before\n") and once.endswith("\nafter\n") and "old" not in once
    assert "| drawn by name (ship) | 91.3 | 95.5 | >= 92 | no |" in once
    assert with_marked(once, card.BEGIN, card.END, card.table(FIGURES)) == once
    with pytest.raises(ValueError, match="markers"):
        with_marked("# no markers", card.BEGIN, card.END, "")


def test_logs_grow_from_machine_to_machine(tmp_path):
    """The second machine resumes at step 300: its lines are appended, and repeated steps appear once."""
    work, kept = tmp_path / "work", tmp_path / "logs"
    work.mkdir()
    write_log(work / "vae.log", range(100, 400, 100), psnr=20.0)
    keep_logs(work, kept)
    (work / "vae.log").unlink()
    write_log(work / "vae.log", range(300, 50_000, 100), psnr=25.0)
    keep_logs(work, kept)
    lines = read_log(kept / "vae.jsonl")
    assert list(lines)[0] == 100 and list(lines)[-1] == 49_900 and list(lines) == sorted(lines)
    assert {line["psnr"] for line in lines.values()} == {20.0, 25.0}
    assert LINES <= len(lines) <= 2 * LINES
    assert not (kept / "judge.jsonl").exists()


def write_log(path, steps, **figures) -> None:
    path.write_text("".join(json.dumps({"step": step, **figures}) + "\n" for step in steps))


def test_curves_show_what_the_logs_say(tmp_path):
    drawn = []
    for slope in (1, -1):
        lines = [json.dumps({"step": s, "psnr": slope * s}) for s in range(100, 1000, 100)]
        (tmp_path / "vae.jsonl").write_text("\n".join(lines))
        draw_curves(tmp_path / "curves.png", tmp_path)
        drawn.append((tmp_path / "curves.png").read_bytes())
    assert drawn[0] != drawn[1]


def test_the_judge_names_the_likeliest():
    told = torch.tensor([[0.1, 0.6, 0.3], [0.5, 0.1, 0.4]])
    judge = SimpleNamespace(probabilities=lambda pictures, names: told)
    artist = Artist(WORLD, None, None, None, judge)
    assert artist.named(torch.zeros(2), ["a", "b", "c"]) == ["b", "a"]


def test_a_pair_is_looked_at_in_its_two_corners():
    """A judge that names by brightness sees the first thing in one corner and the second in the other."""
    picture = torch.full((1, 64, 64, 3), 0.5)
    picture[:, :32, :32], picture[:, 32:, 32:] = 1.0, 0.0
    first, second = corners(picture.permute(0, 3, 1, 2))
    assert first.shape == second.shape == (1, 3, 64, 64)
    assert first[..., :44, :44].min() == 1 and second[..., 20:, 20:].max() == 0

    def probabilities(pictures, names):
        bright = pictures.mean((1, 2, 3)) > 0.5
        return torch.eye(len(names))[torch.where(bright, names.index("ship"), names.index("cat"))]

    artist = Artist(WORLD, None, None, None, SimpleNamespace(probabilities=probabilities))
    assert artist.pair_named(torch.cat([picture, torch.ones(1, 64, 64, 3)])) == [{"ship", "cat"}, {"ship"}]
