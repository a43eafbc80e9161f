"""models/mace is read-only, full or holds foreign things: every node completes and says so once.

Save Erasure and Export Erasure have nothing else to do, and fail with one sentence.
"""

import errno
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from tests.host.calls import draw, small_graph
from tests.rounding import identical

TWO = "ship -> sea\ndog -> ground"
FAULTS = {
    "read-only": (
        tempfile,
        "mkdtemp",
        OSError(errno.EROFS, "Read-only file system"),
        "make the folder writable",
    ),
    "full": (os, "fsync", OSError(errno.ENOSPC, "No space left on device"), "free some space on the disk"),
}
STAGES = ["Draw concepts", "Preserve prior", "Refine cross-attention", "Train LoRA"]


@pytest.fixture
def folder(comfy, monkeypatch, tmp_path) -> Path:
    """In place of models/mace."""
    import folder_paths

    folder = tmp_path / "mace"
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(folder)], {".safetensors"}))
    return folder


@pytest.fixture
def told(comfy, monkeypatch) -> list[str]:
    progress, texts = comfy.module("nodes.host.progress"), []
    monkeypatch.setattr(progress, "_listener", None)  # restores it afterwards
    progress.listen(texts.append)
    return texts


def all_stages(comfy):
    """The graph, its LoRAs and the fused erasure of TWO concepts."""
    graph = small_graph(comfy, TWO)
    (prior,) = comfy.call("MACE_PreservePrior", clip=graph.clip, captions="a photo of a cat", weight=1.0)
    given = {"clip": graph.clip, "concepts": graph.concepts}
    refined, erasure = comfy.call("MACE_CrossAttnRefine", model=graph.model, prior=prior, **given)
    drawn, _ = draw(comfy, graph)
    masked, _ = comfy.run("MACE_MaskConcepts", training_set=drawn)
    loras, _ = comfy.run("MACE_TrainConceptLoRA", refined=refined, training_set=masked, **given)
    (fused,) = comfy.run("MACE_FuseLoRAs", clip=graph.clip, refined=erasure, concept_loras=loras, prior=prior)
    return graph, loras, fused


def warnings(told: list[str]) -> Counter:
    return Counter(text.partition(":")[0] for text in told if "the cache folder" in text.lower())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_folder_that_cannot_be_written_to_stops_no_stage(comfy, folder, told, monkeypatch, fault):
    owner, name, error, cure = FAULTS[fault]

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(owner, name, fail)
    graph, loras, fused = all_stages(comfy)
    assert len(loras) == 2 and fused.is_fused
    assert warnings(told) == dict.fromkeys(STAGES, 1)
    assert all(cure in text for text in told if "the cache folder" in text.lower())
    assert not [path for path in folder.rglob("*") if path.is_file()]
    for node, given in [("MACE_SaveErasure", {}), ("MACE_ExportErasure", {"model": graph.model})]:
        with pytest.raises(
            ValueError, match=rf"^'no_ships.safetensors' cannot be written .*: {cure} and try again.$"
        ):
            comfy.run(node, erasure=fused, name="no_ships", **given)


def test_a_folder_that_is_deleted_at_every_text_stops_no_stage(comfy, folder, monkeypatch):
    progress = comfy.module("nodes.host.progress")
    monkeypatch.setattr(progress, "_listener", lambda text: shutil.rmtree(folder, ignore_errors=True))
    _, loras, fused = all_stages(comfy)
    assert len(loras) == 2 and fused.is_fused


def test_foreign_things_in_the_caches_stop_no_stage_and_stay(comfy, folder, told):
    _, before, _ = all_stages(comfy)
    kept = sorted(folder.rglob("*.safetensors"))
    assert len(kept) == 6 and not warnings(told)
    for number, path in enumerate(kept):
        path.unlink()
        if number % 3 == 0:
            (path / "own").mkdir(parents=True)
        else:
            path.symlink_to("nowhere" if number % 3 == 1 else path.name)
    for cache in folder.iterdir():
        (cache / "x.together").touch()
        (cache / "y.together").mkdir()
    foreign = sorted(path for path in folder.rglob("*"))
    for _ in range(2):
        told.clear()
        _, after, _ = all_stages(comfy)
        assert all(identical(a.low_rank, b.low_rank) for a, b in zip(before, after, strict=True))
        # x.together, y.together, and one thing for each result
        assert warnings(told) == {
            **dict.fromkeys(STAGES, 4),
            "Preserve prior": 3,
            "Refine cross-attention": 3,
        }
        assert sorted(path for path in folder.rglob("*")) == foreign
