"""The host's CLIP as a TextEncoder of mace_core: the properties hold, and the fingerprint identifies it."""

import pytest
import torch

from tests.core.properties import CHECKS
from tests.host.graphs import CHECKPOINT

PROMPTS = ("a photo of a ship", "", "a ship (boat), 1.5 times: (sea:1.5) and [sky]")


@pytest.fixture(scope="module")
def clip(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[1]


@pytest.fixture(scope="module")
def encoder(comfy, clip):
    return comfy.module("nodes.host.text_encoder").HostTextEncoder(clip)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_properties_of_the_mathematics(encoder, check):
    check(encoder)


def test_embeddings_are_those_the_sampler_gets(comfy, clip, encoder):
    encoded = encoder.encode(list(PROMPTS))
    assert encoded.embeddings.dtype == torch.float32 and encoded.tokens.shape == (3, 77)
    for prompt, ours in list(zip(PROMPTS, encoded.embeddings, strict=True))[:2]:
        ([[theirs, _]],) = comfy.call("CLIPTextEncode", clip=clip, text=prompt)
        torch.testing.assert_close(ours, theirs[0].float(), atol=2e-3, rtol=2e-3)


def test_prompts_are_read_literally(encoder):
    """Brackets and weights are prompt syntax and have no meaning in concept names."""
    literal = encoder.word_tokens(PROMPTS[2])
    tokens = encoder.encode([PROMPTS[2]]).tokens[0].tolist()
    assert tokens[1 : len(literal) + 1] == list(literal)
    assert set(encoder.word_tokens("(ship:1.5)")) > set(encoder.word_tokens("ship"))


def test_word_tokens_leave_out_start_end_and_padding(encoder):
    assert encoder.word_tokens("") == ()
    assert len(encoder.word_tokens("ship")) == 1
    assert len(encoder.word_tokens("ship " * 100)) == 100


def test_the_fingerprint_knows_what_the_embeddings_depend_on(comfy, clip, encoder):
    fingerprint_of = comfy.module("nodes.host.fingerprints").encoder_fingerprint
    again = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[1]
    (skipped,) = comfy.call("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-2)
    patched = clip.clone()
    key = next(key for key in clip.patcher.model_state_dict() if key.endswith("mlp.fc1.weight"))
    patched.add_patches({key: (torch.full(clip.patcher.model_state_dict()[key].shape, 0.01),)}, 1.0)
    assert fingerprint_of(again) == encoder.fingerprint
    assert fingerprint_of(skipped) != encoder.fingerprint
    assert fingerprint_of(patched) != encoder.fingerprint
    comfy.call("CLIPTextEncode", clip=patched, text="loads the patched weights")
    assert fingerprint_of(clip) == encoder.fingerprint


def test_half_and_full_precision_copies_count_as_one_encoder(comfy, clip):
    import copy

    fingerprint_of = comfy.module("nodes.host.fingerprints").encoder_fingerprint
    full = clip.clone()
    full.patcher = copy.copy(clip.patcher)
    full.patcher.model = copy.deepcopy(clip.patcher.model).float()
    assert fingerprint_of(full) == fingerprint_of(clip)


def test_other_text_encoders_are_named(comfy):
    class FluxClip:
        def tokenize(self, text, **_):
            return {"l": [], "t5xxl": []}

    with pytest.raises(ValueError, match="t5xxl"):
        comfy.module("nodes.host.text_encoder").HostTextEncoder(FluxClip())
