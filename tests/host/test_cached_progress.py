"""What a resumed or longer run says about the cache, and that its estimate counts only the rest."""

import pytest

from tests.host.calls import draw, refined_graph


@pytest.fixture
def told(comfy, monkeypatch, tmp_path) -> list[str]:
    """The texts of nodes with an empty models/mace."""
    import folder_paths

    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(tmp_path)], {".safetensors"}))
    progress, texts = comfy.module("nodes.host.progress"), []
    monkeypatch.setattr(progress, "_listener", None)  # restores it afterwards
    progress.listen(texts.append)
    return texts


def drawn_and_trained(comfy, lines: str) -> None:
    graph = refined_graph(comfy, lines)
    drawn, _ = draw(comfy, graph)
    masked, _ = comfy.run("MACE_MaskConcepts", training_set=drawn)
    given = {"refined": graph.refined, "clip": graph.clip, "concepts": graph.concepts}
    comfy.run("MACE_TrainConceptLoRA", training_set=masked, **given)


def test_a_longer_list_says_how_much_of_it_is_cached(comfy, told):
    drawn_and_trained(comfy, "ship -> sea")
    assert not [text for text in told if "in the cache" in text]
    told.clear()
    drawn_and_trained(comfy, "ship -> sea\ndog -> ground")
    assert "Draw concepts: 1 of 2 concepts are in the cache" in told
    assert "Train LoRA: 1 of 2 concepts are in the cache" in told
    assert [text for text in told if text.startswith("Draw concepts: done in ")], "it waited for cached work"


def test_work_that_is_skipped_does_not_count_in_the_estimate(comfy):
    progress = comfy.module("nodes.host.progress").TimedProgress("Draw concepts", 12)
    progress.skip(8)
    progress._first, progress._done = (1, 0.0), 2
    assert progress.time_left(30.0) == "about 60 s left"
