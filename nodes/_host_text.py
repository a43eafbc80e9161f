"""The host's CLIP in the shape mace_core asks of a text encoder."""

import hashlib

import torch

from ..mace_core.text import EncodedPrompts
from ._host_patch import weight_in_force

KNOWN_ENCODERS = {"l", "g", "h"}
NOT_IN_EMBEDDINGS = ("logit_scale", "text_projection", "position_ids")  # often missing, then left to chance
BATCH = 32


class HostTextEncoder:
    """Wraps a CLIP. Prompts are taken literally: brackets, weights and backslashes mean nothing here."""

    def __init__(self, clip):
        self._clip = clip
        self._fingerprint = None
        self._words: dict[str, tuple[int, ...]] = {}  # tokenizers are slow, and phrases come again and again
        empty = self._chunks("")[0]
        self._end = _ids(empty)[1]
        self.context_length = len(empty)

    @property
    def fingerprint(self) -> str:
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(self._clip)
        return self._fingerprint

    def word_tokens(self, phrase: str) -> tuple[int, ...]:
        if phrase not in self._words:
            words = []
            for chunk in self._chunks(phrase):
                ids = _ids(chunk, phrase)[1:]
                words += ids[:ids.index(self._end)] if self._end in ids else ids
            self._words[phrase] = tuple(words)
        return self._words[phrase]

    def encode(self, prompts) -> EncodedPrompts:
        tokens, embeddings = [], []
        for start in range(0, len(prompts), BATCH):
            batch = self._tokenize_batch(prompts[start:start + BATCH])
            tokens += [_ids(chunk) for chunk in next(iter(batch.values()))]
            embeddings.append(self._encode_batch(batch))
        return EncodedPrompts(torch.tensor(tokens), torch.cat(embeddings))

    def conditioning(self, prompt: str) -> list:
        """The CONDITIONING a sampler takes, from the same literal reading of the prompt."""
        return self._clip.encode_from_tokens_scheduled(self._tokenize_batch([prompt]), show_pbar=False)

    def _tokenize(self, text: str) -> dict:
        tokens = self._clip.tokenize(text.replace("\\", " "), disable_weights=True)
        if not set(tokens) <= KNOWN_ENCODERS:
            raise ValueError(f"This CLIP holds the text encoders {sorted(tokens)}, but MACE edits models "
                             "that read CLIP alone: use the CLIP of an SD1.x, SD2.x or SDXL checkpoint.")
        return tokens

    def _chunks(self, text: str) -> list:
        tokens = self._tokenize(text)
        return tokens["l"] if "l" in tokens else next(iter(tokens.values()))

    def _tokenize_batch(self, prompts) -> dict:
        """One chunk a prompt, all prompts as the chunks of one long one: the host encodes them in one go."""
        batch: dict[str, list] = {}
        for prompt in prompts:
            tokens = self._tokenize(prompt)
            for name in sorted(tokens, reverse=True):  # l before g: SDXL's ids are told from l's
                if len(tokens[name]) != 1:
                    raise ValueError(f"'{_short(prompt)}' does not fit into the text encoder's context of "
                                     f"{self.context_length} tokens: shorten the concept or the caption.")
                batch.setdefault(name, []).extend(tokens[name])
        return batch

    def _encode_batch(self, batch: dict) -> torch.Tensor:
        joined = self._clip.encode_from_tokens(batch)
        count = len(next(iter(batch.values())))
        return joined.reshape(count, -1, joined.shape[-1]).float().cpu()


def fingerprint_of(clip) -> str:
    """A hash of what the embeddings depend on: the weights on the wire, LoRAs included, and the layer read.

    Weights are hashed as fp16, so that fp16 and fp32 copies of one text encoder count as the same.
    """
    digest = hashlib.sha256(f"layer {clip.layer_idx}".encode())
    for key, entry in sorted(clip.get_key_patches().items()):
        if any(name in key for name in NOT_IN_EMBEDDINGS):
            continue
        (weight, _), *patches = entry
        weight = weight_in_force(entry, key) if patches else weight
        digest.update(key.encode())
        digest.update(weight.detach().to("cpu", torch.float16).contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def check_same_encoder(clip, erasure) -> None:
    if erasure.text_encoder != fingerprint_of(clip):
        raise ValueError(f"The erasure of {', '.join(repr(c.target) for c in erasure.concepts)} was made for "
                         "another text encoder than this CLIP: use it with a checkpoint that has the same "
                         "one, LoRAs on CLIP and clip skip included, or make a new erasure here.")


def _ids(chunk, text: str = "") -> list[int]:
    ids = [pair[0] for pair in chunk]
    if not all(isinstance(token, int) for token in ids):
        raise ValueError(f"'{_short(text)}' contains a textual-inversion embedding, which has no words "
                         "to find in the prompts: write the concept in plain words.")
    return ids


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
