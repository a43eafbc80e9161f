"""The bundled miniature in a real host, generating in batches: the basis of the tables about erasures.

Prompts share a batch in the host's own sampler. Image i of a prompt depends only on the seed and on i, so two
models are compared on the same noise.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from dev.host.in_process import InProcess, load_host
from mace_core.concepts.kinds import KINDS
from mace_core.evaluation.judge import WEIGHTS, Judge
from mace_core.files.hashes import file_hash
from mini.checkpoint import CHECKPOINT, FILES
from mini.vocabulary import JUDGE, choices, load_world

SIZE, CFG, SEED = 64, 4.0, 7
SAMPLER, SCHEDULER, STEPS = "dpmpp_2m", "karras", 10  # fewer than euler needs: thousands of images per table
BATCH = 64


class Bench:
    """The loaded miniature and its judge.

    `model`, `clip`, `vae`: the miniature's objects; `concepts`: name -> its entry in mini/world.json;
    `images`: images per prompt.
    """

    def __init__(self, host: InProcess | None = None, images: int = 16):
        self.host, self.images, self.judge = host or load_host(), images, Judge.load(JUDGE)
        self.model, self.clip, self.vae = self.host.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)
        self.encoder = self.host.module("nodes.host.text_encoder").HostTextEncoder(self.clip)
        self.world = load_world()
        self.concepts = {each["name"]: each for each in self.world["concepts"]}
        self._embeddings: dict[str, Tensor] = {}

    def run(self, node_id: str, **inputs) -> tuple:
        """Run a node; inputs that are not given have their defaults."""
        return self.host.run(node_id, **inputs)

    def drawn(self, model, prompts: Sequence[str]) -> Tensor:
        """`images` images per prompt, prompt by prompt: [len(prompts) * images, 64, 64, 3] in 0..1."""
        asked = [prompt for prompt in prompts for _ in range(self.images)]
        parts = [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]
        return torch.cat([self._batch(model, part, start * BATCH) for start, part in enumerate(parts)])

    @torch.inference_mode()
    def _batch(self, model, prompts: Sequence[str], first: int) -> Tensor:
        import comfy.sample

        seeds = [SEED + (first + i) % self.images for i in range(len(prompts))]
        empty = torch.zeros(len(prompts), 4, SIZE // 8, SIZE // 8)
        noise = torch.cat([comfy.sample.prepare_noise(empty[:1], seed) for seed in seeds])
        positive = [[torch.cat([self._embedding(prompt) for prompt in prompts]), {}]]
        negative = [[self._embedding(""), {}]]
        latents = comfy.sample.sample(
            model,
            noise,
            STEPS,
            CFG,
            SAMPLER,
            SCHEDULER,
            positive,
            negative,
            empty,
            disable_pbar=True,
            seed=SEED,
        )
        return self.vae.decode(latents)

    def _embedding(self, prompt: str) -> Tensor:
        if prompt not in self._embeddings:
            self._embeddings[prompt] = self.encoder.encode([prompt]).embeddings
        return self._embeddings[prompt]

    def shares(self, model, asked: Sequence[tuple[str, str]]) -> list[float]:
        """For each (concept, phrase): the share of images generated from `phrase` that the judge classifies
        as the concept (0..1), top-1 among everything an image can show."""
        prompts = [self.prompt(name, phrase) for name, phrase in asked]
        pictures = self.drawn(model, prompts).split(self.images)
        return [self.share(each, name) for each, (name, _) in zip(pictures, asked, strict=True)]

    def share(self, pictures: Tensor, name: str) -> float:
        names, expected = choices(self.world, self.concepts[name])
        best = self.judge.probabilities(pictures, list(names)).argmax(-1)
        return (best == names.index(expected)).float().mean().item()

    def prompt(self, name: str, phrase: str) -> str:
        return KINDS[self.concepts[name]["kind"]].plain.format(phrase)

    @contextmanager
    def with_images(self, images: int) -> Iterator[None]:
        """Another number of images per prompt for a while, at least one."""
        before, self.images = self.images, max(1, images)
        try:
            yield
        finally:
            self.images = before

    def names(self, model, names: Sequence[str]) -> dict[str, float]:
        """Concept -> the share of images (0..1) that show it when the prompt has its name."""
        return dict(zip(names, self.shares(model, [(name, name) for name in names]), strict=True))

    def synonyms(self, model, name: str) -> float:
        """The share of images (0..1) that show the concept when the prompt has a synonym: the mean over its
        synonyms, 0 without synonyms."""
        asked = [(name, phrase) for phrase in self.concepts[name]["synonyms"]]
        return mean(self.shares(model, asked)) if asked else 0.0

    def lines(self, names: Sequence[str]) -> str:
        """Lines for Erase Concepts: each concept with its default surrogate."""
        told: Mapping[str, Mapping] = self.concepts
        return "\n".join(f"{told[name]['kind']}: {name} -> {told[name]['surrogate']}" for name in names)


def mean(values: Sequence[float]) -> float:
    values = list(values)
    return sum(values) / len(values)


def fingerprints() -> dict[str, str]:
    """SHA-256 of the measured files, by name: figures are valid for these files only."""
    paths = FILES / CHECKPOINT, JUDGE / WEIGHTS
    return {path.name: file_hash(path) for path in paths}
