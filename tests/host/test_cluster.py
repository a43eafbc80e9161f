"""Stage 2 on a cluster whose workers are in this process: everything but Ray itself (that is test_ray.py)."""

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from mace_erase import worker
from tests.host.calls import draw, refined_graph
from tests.host.graphs import CHECKPOINT

FOUR = "ship -> sea\ndog -> ground\ncat -> a dog\nstyle: Van Gogh -> art"


class Connection:
    """A joined cluster. It carries out the newest order first; a worker dies over each order in `deadly`."""

    needs = "1 CPU"

    def __init__(self, died: type[Exception], carry_out, deadly=(), room=2):
        self.died, self.carry_out, self.deadly, self.room = died, carry_out, deadly, room
        self.sent, self.stopped, self.left = [], [], False

    def places(self) -> int:
        return self.room

    def start(self):
        worker = object()
        return worker, ("ready", worker)

    def send(self, worker, here, order) -> int:
        self.sent.append(order)
        return len(self.sent) - 1

    def answered(self, tickets, seconds) -> list:
        waiting = list(tickets)
        return [each for each in waiting if isinstance(each, tuple)][:1] or waiting[-1:]

    def answer(self, ticket):
        if isinstance(ticket, tuple):
            return None
        if ticket in self.deadly:
            raise self.died("it was killed")
        return self.carry_out(self.sent[ticket])

    def stop(self, worker) -> None:
        self.stopped.append(worker)

    def leave(self) -> None:
        self.left = True
        self.stopped_in_time = len(self.stopped)


@pytest.fixture
def told(comfy, monkeypatch) -> list[str]:
    progress, texts = comfy.module("nodes.host.progress"), []
    monkeypatch.setattr(progress, "_listener", None)  # restores it afterwards
    progress.listen(texts.append)
    return texts


@pytest.fixture
def folder(monkeypatch, tmp_path, comfy):
    """Chooses the folder for models/mace."""
    import folder_paths

    def choose(name: str):
        chosen = tmp_path / name
        monkeypatch.setitem(folder_paths.folder_names_and_paths, "mace", ([str(chosen)], {".safetensors"}))
        return chosen

    choose("first")
    return choose


@pytest.fixture
def cluster(comfy, monkeypatch, folder):
    """Joins a cluster with these properties, as the command line does."""
    membership = comfy.module("nodes.cluster.membership")
    monkeypatch.setattr(worker, "load_host", lambda arguments: comfy)
    monkeypatch.setattr(worker, "_checkpoint", {})

    @contextmanager
    def joined(carry_out=lambda order: worker.carry_out([], order), **properties):
        died = comfy.module("nodes.cluster.connection").WorkerDied
        connection = Connection(died, carry_out, **properties)
        monkeypatch.setattr(membership, "join", lambda gpu, threads: connection)
        with membership.on_cluster(CHECKPOINT):
            yield connection
        assert connection.left

    return joined


def stage_2(comfy, graph, method="fast"):
    drawn, _ = draw(comfy, graph)
    masked, _ = comfy.run("MACE_MaskConcepts", training_set=drawn)
    given = {"refined": graph.refined, "clip": graph.clip, "concepts": graph.concepts}
    loras, _ = comfy.run("MACE_TrainConceptLoRA", training_set=masked, method=method, steps=2, **given)
    return loras


def files_in(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*.safetensors")}


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_the_files_are_those_of_a_run_without_a_cluster(comfy, told, folder, cluster, method):
    graph = refined_graph(comfy, FOUR)
    alone = folder("alone")
    stage_2(comfy, graph, method)
    together = folder("together")
    with cluster() as connection:
        stage_2(comfy, graph, method)
    found, expected = files_in(together), files_in(alone)
    assert found.keys() == expected.keys() and len(found) == 8
    assert found == expected
    assert len(connection.sent) == 4 + {"fast": 4, "exact": 1}[method]
    assert "Draw concepts: 4 concepts are on the Ray cluster" in told
    told.clear()
    with cluster() as connection:
        stage_2(comfy, graph, method)
    assert not connection.sent and "Train LoRA: 4 of 4 concepts are in the cache" in told


def test_the_work_of_a_dead_worker_is_done_by_another_one(comfy, told, cluster):
    with cluster(deadly=(1, 3)) as connection:
        assert len(draw(comfy, refined_graph(comfy, FOUR))[0]) == 4
    assert len(connection.sent) == 6
    [first, second] = [text for text in told if "died" in text]
    assert (
        first.startswith("Draw concepts: a worker died while it worked on '") and "(it was killed)" in first
    )


def test_an_order_that_kills_every_worker_is_given_up(comfy, told, cluster):
    sentence = "3 workers died while they worked on 'ship' .*it was killed.*goes on with what is cached"
    with pytest.raises(ValueError, match=sentence), cluster(deadly=range(9), room=1):
        draw(comfy, refined_graph(comfy))


def test_an_error_of_the_user_is_told_and_not_tried_again(comfy, told, cluster):
    with pytest.raises(ValueError, match="^this is wrong$"):
        with cluster(lambda order: {"error": "this is wrong"}) as connection:
            draw(comfy, refined_graph(comfy, FOUR))
    assert len(connection.sent) == 2 and len(connection.stopped) == 2


def test_a_cancelled_run_stops_its_workers(comfy, told, cluster):
    import comfy.model_management as management

    def carry_out(order):
        management.interrupt_current_processing()
        return worker.carry_out([], order)

    with pytest.raises(management.InterruptProcessingException), cluster(carry_out) as connection:
        draw(comfy, refined_graph(comfy, FOUR))
    assert len(connection.stopped) == 2 and connection.left


def test_a_run_that_ends_over_an_answer_stops_its_workers_before_it_leaves(comfy, told, cluster):
    """For example a cancelled one: `answers` is not finished then, so it has stopped nobody."""
    with cluster() as connection:
        pool = comfy.module("nodes.cluster.membership")._joined.pool
        order = comfy.module("nodes.cluster.pool").Order
        connection.carry_out = lambda order: {}
        answers = pool.answers([order(name, dict) for name in "abc"], told.append)
        next(answers)
    assert connection.stopped_in_time == 2
    del answers
    assert len(connection.stopped) == 2, "stopped again after leaving"


def test_a_batch_that_is_too_large_for_a_worker_is_halved(comfy, told, cluster, monkeypatch):
    training, groups = comfy.module("nodes.work.remote"), []
    train_group = training.train_group

    def small(model, encoder, group, *rest):
        groups.append(len(group))
        if len(group) > 1:
            raise MemoryError
        return train_group(model, encoder, group, *rest)

    monkeypatch.setattr(training, "train_group", small)
    with cluster(room=1):
        loras = stage_2(comfy, refined_graph(comfy, FOUR), "exact")
    assert [lora.concept.target for lora in loras] == ["ship", "dog", "cat", "Van Gogh"]
    assert sorted(groups) == [1, 1, 1, 1, 2, 2, 4]


def test_a_model_that_workers_cannot_load_is_used_here(comfy, told, cluster):
    graph = refined_graph(comfy)
    name = next(name for name in graph.model.model_state_dict() if name.endswith("attn2.to_k.weight"))
    graph.model.add_patches({name: (graph.model.model_state_dict()[name].clone(),)})
    with cluster() as connection:
        draw(comfy, graph)
    assert not connection.sent
    assert [text for text in told if "Ray is not used" in text and "has a LoRA or another patch" in text]


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"checkpoint": "none.safetensors"}, "On the worker .*: There is no checkpoint 'none.safetensors'"),
        ({"version": "0.0.1"}, "On the worker .*: this pack has version .*, not 0.0.1: install the same one"),
        ({"fingerprints": {"U-Net": "other"}}, "has another U-Net than where the run was started"),
        ({"fingerprints": {"VAE": "other"}}, "has another VAE than where the run was started"),
    ],
)
def test_a_worker_that_is_not_the_same_says_so(comfy, told, cluster, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        with cluster(lambda order: worker.carry_out([], order | change)):
            draw(comfy, refined_graph(comfy))


def test_a_worker_without_the_pack_says_so(comfy, tmp_path, monkeypatch):
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    here = {"pack": "/nowhere/mace", "comfyui": "/nowhere", "arguments": []}
    answer = comfy.module("nodes.cluster.seed").MaceWorker().carry_out(here, {})
    assert answer["error"].startswith("On the worker ") and str(tmp_path / "custom_nodes") in answer["error"]


def test_without_ray_or_without_a_cluster_there_is_one_sentence(comfy, monkeypatch):
    connection = comfy.module("nodes.cluster.connection")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="Ray is not installed .*pip install ray.*leave out --ray"):
        connection.join(False, 1)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ValueError, match=r"No Ray cluster can be joined at 127.0.0.1:9 \(.*refused\): start"):
        connection.join(False, 1)


def a_graph(**changed) -> dict:
    loader, loader_2 = ({"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": n}} for n in "ab")
    graph = {
        "loader": loader,
        "other": loader_2,
        "skip": {"class_type": "CLIPSetLastLayer", "inputs": {"clip": ["loader", 1]}},
        "refine": {
            "class_type": "MACE_CrossAttnRefine",
            "inputs": {"model": ["loader", 0], "clip": ["skip", 0], "concepts": ["concepts", 0]},
        },
        "here": {"class_type": "X", "inputs": {"refined": ["refine", 0], "clip": ["skip", 0]}},
    }
    graph["here"]["inputs"] |= changed
    return graph


@pytest.mark.parametrize(
    "changed, wires, name",
    [
        ({}, ("model", "clip"), "a"),
        ({"vae": ["loader", 2]}, ("model", "clip", "vae"), "a"),
        ({"clip": ["other", 1]}, ("model", "clip"), None),
        ({"vae": ["vae loader", 0]}, ("model", "clip", "vae"), None),
        ({"refined": ["here", 0]}, ("model", "clip"), None),
    ],
)
def test_a_node_follows_its_wires_to_the_checkpoint(comfy, changed, wires, name):
    from comfy_execution.utils import CurrentNodeContext

    behind = comfy.module("nodes.host.graph").checkpoint_behind
    with CurrentNodeContext("prompt", "here"):
        assert behind(a_graph(**changed), wires) == name
    assert behind(a_graph(), wires) is None and behind(None, wires) is None


def test_a_node_uses_the_cluster_of_its_environment_only_in_a_graph(comfy, monkeypatch):
    is_wanted = comfy.module("nodes.cluster.membership").is_wanted
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert is_wanted(in_a_graph=True) and not is_wanted(in_a_graph=False)
    monkeypatch.delenv("RAY_ADDRESS")
    assert not is_wanted(in_a_graph=True)


def test_workers_repeat_what_changes_models_or_results(comfy, tmp_path, monkeypatch):
    repeated = comfy.module("nodes.host.arguments").repeated
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    given = "--port 8188 --listen --cpu --base-directory data --fp16-unet --cuda-device 1 --fast one"
    assert repeated(given.split()) == [
        "--cpu",
        "--base-directory",
        str(tmp_path / "data"),
        "--fp16-unet",
        "--fast",
        "one",
    ]
