"""Stage 1 for 100 concepts with 30 or more prompt pairs each, without the time of the text encoder."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dev.fullsize.families import Family
from dev.fullsize.host import hosted
from dev.fullsize.measure import stage

CONCEPTS = 100


class RandomEmbeddings:
    """A text encoder with the family's tokens and random embeddings; `seconds`: CPU time spent in it."""

    fingerprint = "random"

    def __init__(self, encoder, d: int):
        import torch

        self.context_length, self.word_tokens = encoder.context_length, encoder.word_tokens
        self.prompts, self.seconds = 0, 0.0
        self._row, self._d = torch.randn(2_000_003, generator=torch.Generator().manual_seed(0)), d

    def encode(self, prompts):
        import torch

        from mace_core.encoder.text_encoder import EncodedPrompts

        started = time.process_time()
        rows = [(49406, *self.word_tokens(prompt), 49407) for prompt in prompts]
        tokens = [(*row, *[49407] * (self.context_length - len(row))) for row in rows]
        start, size = 7919 * self.prompts % 1_000_003, self.context_length * self._d
        embeddings = [
            self._row[(start + 101 * i) % 1_000_003 :][:size].view(-1, self._d) for i in range(len(prompts))
        ]
        self.prompts += len(prompts)
        result = EncodedPrompts(torch.tensor(tokens), torch.stack(embeddings))
        self.seconds += time.process_time() - started
        return result


def run(family: Family) -> dict:
    """CPU seconds, those of text encoding, the rest per thread, and the extra peak memory in MiB."""
    import torch

    with tempfile.TemporaryDirectory(prefix="mace-fullsize-") as base:
        comfy = hosted(Path(base))
        encoder = RandomEmbeddings(_tokenizing(comfy, family), family.d)
        result, took = stage(lambda: _refined(comfy, encoder))
        return {
            "d": family.d,
            "concepts": CONCEPTS,
            "pairs": result["pairs"],
            "prompts": encoder.prompts,
            "threads": torch.get_num_threads(),
            **took,
            "encoding_seconds": round(encoder.seconds, 2),
            "cpu_seconds_per_core": round(
                (took["cpu_seconds"] - encoder.seconds) / torch.get_num_threads(), 2
            ),
            "extra_mib": round(took["rss_peak"] - took["rss_before"], 1),
        }


def _tokenizing(pack, family: Family):
    """The pack's text encoder on a CLIP with the family's tokenizers and without weights."""
    import comfy.sd
    import comfy.supported_models

    config = getattr(comfy.supported_models, family.config)(family.unet)
    clip = comfy.sd.CLIP(no_init=True)
    clip.tokenizer, clip.tokenizer_options = config.clip_target({}).tokenizer(), {}
    return pack.module("nodes.host.text_encoder").HostTextEncoder(clip)


def _refined(comfy, encoder) -> dict:
    """Does the same as the node Cross-Attention Refinement."""
    moments, refine = (comfy.module(f"mace_core.refinement.{name}") for name in ("moments", "refine"))
    Concept = comfy.module("mace_core.concepts.concepts").Concept
    prompt_pairs = comfy.module("mace_core.concepts.prompts").prompt_pairs
    remembering = comfy.module("mace_core.encoder.text_encoder").RememberingEncoder(encoder)
    people = [Concept(f"{first} {last}", "a person", "person") for first in FIRST for last in LAST]
    total = moments.MomentSum(remembering)
    for person in people[:CONCEPTS]:
        total.add(person)
    refine.refine([total.moments()], None, refine.RefineSettings())
    return {"pairs": sum(len(prompt_pairs(person)) for person in people[:CONCEPTS])}


FIRST = ("Ann", "Ben", "Carl", "Dora", "Emil", "Fay", "Gus", "Hope", "Ivan", "Jane")
LAST = ("Adams", "Brown", "Clark", "Davis", "Evans", "Ford", "Green", "Hill", "Jones", "King")
