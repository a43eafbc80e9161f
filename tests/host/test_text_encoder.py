"""The host's CLIP as a TextEncoder of mace_core: the properties hold, and the fingerprint identifies it."""

import pytest
import torch

from mace_core.concepts.concepts import Concept
from mace_core.concepts.kinds import KINDS
from mace_core.concepts.prompts import prompt_pairs
from mace_core.encoder.alignment import locate
from mace_core.encoder.text_encoder import END_OF_TEXT
from mace_core.training.attention_maps import words_of
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


NAMES = (
    "ship!",
    "Yahoo!",
    "Robert Downey Jr.",
    "Sammy Davis, Jr.",
    "N.W.A.",
    "artist (series)",
    "P!nk",
    "AC/DC",
    "AC\\DC",
    "3OH!3",
    "Guns N' Roses",
    "The Who?",
    "*NSYNC",
    "$uicideboy$",
    ":)",
    "'Til Tuesday'",
    "Beyonc\u00e9",
    "Beyonce\u0301",
    "caf\u00e9 \u2122",
    "m\u00b2",
    "\u732b",
    "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\U0001f6a2",
    "big \U0001f6a2",
    "\u2764\ufe0f",
    "\U0001f1e9\U0001f1ea",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_every_name_has_the_same_tokens_in_all_its_prompts(encoder, kind, name):
    """And the words around it are those around the surrogate, so that stage 1 matches all of them."""
    for concept in (Concept(name, "a Wow! (x)", kind, ("boat",)), Concept("ship", name, kind)):
        for pair in prompt_pairs(concept):
            before = 1 + len(encoder.word_tokens(pair.before))
            rows = []
            for prompt, phrase in ((pair.target, pair.phrase), (pair.surrogate, pair.surrogate_phrase)):
                ids = [0, *encoder.word_tokens(prompt), END_OF_TEXT]
                place = locate(encoder, ids, prompt, phrase, pair.before)
                assert place.start == before, prompt
                rows.append((torch.tensor(ids), place))
            (target, phrase), (surrogate, surrogate_phrase) = rows
            assert target[: phrase.start].equal(surrogate[: phrase.start])
            assert target[phrase.stop :].equal(surrogate[surrogate_phrase.stop :]), pair


def test_the_words_of_a_prompt_with_such_names(encoder):
    prompt = " ".join(NAMES)
    tokens = encoder.encode([prompt[:60]]).tokens[0]
    assert [word for word, _ in words_of(encoder, prompt[:60], tokens)][:-1] == prompt[:60].split()


def test_a_prompt_with_an_embedding_is_quoted(comfy, clip, encoder, monkeypatch):
    tokenizer = clip.tokenizer.clip_l
    monkeypatch.setattr(tokenizer, "embedding_directory", ["."])
    tried = tokenizer._try_get_embedding  # newer hosts return three values, older ones two
    monkeypatch.setattr(tokenizer, "_try_get_embedding", lambda name: (torch.zeros(1, 768), *tried(name)[1:]))
    with pytest.raises(ValueError, match="'a embedding:x' contains a textual-inversion"):
        encoder.encode(["a embedding:x"])


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
