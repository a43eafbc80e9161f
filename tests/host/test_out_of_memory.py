"""Running out of memory leads to another attempt with less, or to a one-sentence error."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_train_together import stage_2, train  # noqa: F401 - a fixture

ERRORS = {
    "GPU": lambda: torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    "CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: not enough "
        "memory: you tried to allocate 8589934592 bytes."
    ),
    "oneDNN": lambda: RuntimeError("could not create a primitive"),
    "Python": MemoryError,
}


@pytest.fixture(params=ERRORS)
def error(request):
    return ERRORS[request.param]


@pytest.fixture(scope="module")
def memory(comfy):
    return comfy.module("nodes.host.memory")


def test_it_is_told_from_other_errors(memory, error):
    assert memory.is_out_of_memory(error())
    for other in (
        ValueError("out of memory"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
        KeyboardInterrupt(),
    ):
        assert not memory.is_out_of_memory(other)


def test_parts_are_halved_and_keep_their_order(memory, error):
    tried = []

    def work(start, number):
        tried.append((start, number))
        if number > 3:
            raise error()
        return range(start, start + number)

    assert memory.in_parts(9, 8, work, "to count") == list(range(9))
    assert tried == [(0, 8), (0, 4), (0, 2), (2, 2), (4, 2), (6, 2), (8, 1)]


def test_one_thing_that_does_not_fit_is_a_sentence(memory, error):
    def work(start, number):
        raise error()

    with pytest.raises(ValueError, match="not enough memory to count") as caught:
        memory.in_parts(4, 4, work, "to count")
    assert str(caught.value).count(". ") == 0


@pytest.fixture(scope="module")
def graph(comfy):
    model, clip, vae = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
    (concepts,) = comfy.call("MACE_EraseConcepts", concepts="ship -> sea", kind="object")
    return {"model": model, "clip": clip, "concepts": concepts}, vae


def draw(comfy, graph, images=5):
    network, vae = graph
    return comfy.call(
        "MACE_DrawConcepts", **network, vae=vae, images=images, steps=1, cfg=4.0, seed=3, width=64, height=64
    )[1]


@pytest.fixture
def small(comfy, monkeypatch):
    """`small(most)`: from now on, the network runs out of memory for more than `most` samples at once."""
    import comfy.model_base

    def limit(most, error=ERRORS["GPU"]):
        seen, apply = [], comfy.model_base.BaseModel.apply_model

        def limited(self, x, *rest, **named):
            seen.append(len(x))
            if len(x) > most:
                raise error()
            return apply(self, x, *rest, **named)

        monkeypatch.setattr(comfy.model_base.BaseModel, "apply_model", limited)
        return seen

    return limit


@pytest.fixture(autouse=True)
def nothing_is_kept(comfy, monkeypatch):
    """Disables the caches, so that every test generates and trains."""
    for name in ("drawing", "training_store"):
        monkeypatch.setattr(comfy.module(f"nodes.work.{name}"), "model_fingerprint", lambda model: None)


def test_pictures_are_drawn_in_smaller_batches(comfy, graph, small):
    expected = draw(comfy, graph)
    seen = small(4)  # the host computes with and without the prompt at once
    found = draw(comfy, graph)
    assert seen[:3] == [10, 4, 4]
    # the same images, apart from rounding in smaller batches
    assert (found - expected).abs().max() < 0.02


def test_a_picture_that_does_not_fit_is_a_sentence(comfy, graph, small, error):
    small(0, error)
    with pytest.raises(ValueError, match="not enough memory .*64 x 64"):
        draw(comfy, graph)


@pytest.fixture
def small_vae(monkeypatch):
    """`small_vae(most)`: from now on, a VAE runs out of memory for more than `most` images at once."""
    import comfy.sd

    def limit(most, error):
        for name in ("decode", "encode"):
            work = getattr(comfy.sd.VAE, name)

            def limited(self, batch, work=work):
                if len(batch) > most:
                    raise error()
                return work(self, batch)

            monkeypatch.setattr(comfy.sd.VAE, name, limited)

    return limit


@torch.inference_mode()
def test_a_vae_decodes_and_encodes_fewer_images_at_once(comfy, graph, small_vae, error):
    sampling = comfy.module("nodes.host.sampling")
    latents = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    images = sampling.decode(graph[1], latents)
    expected = sampling.encode(graph[1], images)
    small_vae(2, error)
    assert (sampling.decode(graph[1], latents) - images).abs().max() < 1e-4
    assert (sampling.encode(graph[1], images) - expected).abs().max() < 1e-4


def test_a_picture_that_a_vae_has_no_memory_for_is_a_sentence(comfy, graph, small_vae, error):
    small_vae(0, error)
    with pytest.raises(ValueError, match="not enough memory .*to decode an image of 64 x 64"):
        draw(comfy, graph)
    with pytest.raises(ValueError, match="not enough memory .*to encode an image of 64 x 64"):
        comfy.module("nodes.host.sampling").encode(graph[1], torch.zeros(2, 64, 64, 3))


def test_maps_that_do_not_fit_are_a_sentence(comfy, graph, monkeypatch, error):
    monkeypatch.setattr(
        comfy.module("nodes.host.attention").HostAttentionModel,
        "attention",
        lambda *_: (_ for _ in ()).throw(error()),
    )
    with pytest.raises(ValueError, match="not enough memory .*locate 'ship'"):
        draw(comfy, graph)


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_a_concept_that_cannot_be_trained_at_all_is_a_sentence(comfy, stage_2, small, method, error):  # noqa: F811
    small(0, error)
    with pytest.raises(ValueError, match="not enough memory .*train 'ship'"):
        train(comfy, stage_2, method=method)


def test_a_single_concept_is_trained_with_activations_computed_again(comfy, stage_2, monkeypatch):  # noqa: F811
    """Activations were expected to fit, but training runs out of memory."""
    attention = comfy.module("nodes.work.training").attention_model
    asked = []

    def limited(*given, low_memory=None, **named):
        asked.append(low_memory)
        if not low_memory and named.get("training", True):
            raise torch.cuda.OutOfMemoryError("a device for inputs alone")
        return attention(*given, low_memory=low_memory, **named)

    expected = train(comfy, stage_2, [stage_2[2][0]])
    monkeypatch.setattr(comfy.module("nodes.work.training"), "attention_model", limited)
    [(lora, losses)] = train(comfy, stage_2, [stage_2[2][0]])
    assert asked == [None, True] and losses == pytest.approx(expected[0][1], rel=1e-4)


def test_the_text_encoder_reads_fewer_prompts_at_once(comfy, graph, monkeypatch):
    text = comfy.module("nodes.host.text_encoder")
    encoder, prompts = text.HostTextEncoder(graph[0]["clip"]), [f"a photo of {i} ships" for i in range(9)]
    expected, encode, seen = encoder.encode(prompts), text.HostTextEncoder._encode_batch, []

    def limited(self, batch):
        seen.append(len(next(iter(batch.values()))))
        if seen[-1] > 4:
            raise torch.cuda.OutOfMemoryError("a small device")
        return encode(self, batch)

    monkeypatch.setattr(text.HostTextEncoder, "_encode_batch", limited)
    found = encoder.encode(prompts)
    assert seen == [9, 4, 4, 1] and torch.equal(found.tokens, expected.tokens)
    assert (found.embeddings - expected.embeddings).norm() <= 1e-4 * expected.embeddings.norm()


@pytest.mark.parametrize("fits", [True, False])
def test_attacks_that_learn_try_with_less_and_then_say_so(comfy, graph, monkeypatch, fits):
    probe = comfy.module("nodes.host.attacks")
    network, vae = graph
    attention, asked = probe.attention_model, []

    def limited(*given, low_memory=None, **named):
        asked.append(low_memory)
        if not (low_memory and fits):
            raise torch.cuda.OutOfMemoryError("a small device")
        return attention(*given, low_memory=low_memory, **named)

    monkeypatch.setattr(probe, "attention_model", limited)
    (latent,) = comfy.call("EmptyLatentImage", width=64, height=64, batch_size=1)

    def attack():
        return comfy.call(
            "MACE_ProbeErasure",
            before=network["model"],
            after=network["model"],
            vae=vae,
            clip=network["clip"],
            concepts=network["concepts"],
            latent=latent,
            prompts="",
            judge="bundled (for the miniature model)",
            images=1,
            learning_steps=1,
            seed=0,
            steps=1,
        )

    if fits:
        assert attack() and asked == [None, True] * 4
    else:
        with pytest.raises(ValueError, match="not enough memory .*attack"):
            attack()
