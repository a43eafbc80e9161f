"""1,000 concepts from one list file through stage 1, fusion, a file and an image, on the miniature.

The nodes run in a real host, with the miniature's own text encoder. The LoRAs have random factors, because
training is measured in training.py, and the matrices C of a few concepts, copied.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from dev.fullsize.measure import MIB, resident
from dev.host.in_process import InProcess, load_host
from dev.speed.concepts import as_csv, people, things
from dev.speed.timing import rounded, taken
from mace_core.concepts.concepts import Concept
from mini.checkpoint import CHECKPOINT

KNOWN = Concept("airplane", "sky")  # the miniature has learned it; the others are only names to it
PEOPLE, THINGS = 799, 200
NAMES = "cat\ndog\nhorse\nship"
PROMPTS = {"a concept": "a photo of an airplane", "something else": "a photo of a cat"}
ENCODED = 20  # concepts whose C is summed
DRAWING = {"seed": 0, "steps": 8, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}


def run() -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        return Thousand(load_host(Path(base))).run()


class Thousand:
    def __init__(self, comfy: InProcess):
        self.comfy, self.rows = comfy, []
        (comfy.base / "input").mkdir(exist_ok=True)
        (comfy.base / "input" / "thousand.csv").write_text(as_csv([KNOWN, *people(PEOPLE), *things(THINGS)]))
        self.model, self.clip, _ = comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        one = taken(work)
        row = {
            "case": name,
            "seconds": rounded(one.seconds),
            "mib": rounded(one.mib),
            "peak_mib": resident("VmHWM"),
        }
        self.rows.append(row)
        print(f"  {name}: {one.seconds:.1f} s of CPU, {one.mib:.0f} MiB more at the peak", flush=True)
        return one.result

    def run(self) -> dict:
        call, comfy = self.comfy.run, self.comfy
        (concepts,) = self.step(
            "Erase Concepts, from the file",
            lambda: call("MACE_EraseConcepts", concepts="", file="input/thousand.csv"),
        )
        (prior,) = self.step(
            "Preserve Prior, 4 names",
            lambda: call("MACE_PreservePrior", clip=self.clip, captions="", names=NAMES),
        )
        given = {"model": self.model, "clip": self.clip, "concepts": concepts, "prior": prior}
        _, stage_1 = self.step("Cross-Attention Refinement", lambda: call("MACE_CrossAttnRefine", **given))
        loras = self.step("LoRAs with random factors", lambda: self._loras(concepts))
        (fused,) = self.step(
            "Fuse Concept LoRAs",
            lambda: call("MACE_FuseLoRAs", clip=self.clip, refined=stage_1, concept_loras=loras, prior=prior),
        )
        self.step("Save Erasure", lambda: call("MACE_SaveErasure", erasure=fused, name="thousand"))
        [path] = (comfy.base / "models" / "mace").glob("thousand_*.safetensors")
        (loaded,) = self.step("Load Erasure", lambda: call("MACE_LoadErasure", name=path.name))
        (erased,) = self.step(
            "Apply Erased Model",
            lambda: call("MACE_ApplyErasedModel", model=self.model, erasure=loaded, clip=self.clip),
        )
        images = self.step("two images", lambda: self._equal(erased))
        size = path.stat().st_size / MIB
        return {"rows": self.rows, "concepts": len(concepts), "file_mib": rounded(size), "equal": images}

    @torch.inference_mode()
    def _loras(self, concepts) -> tuple:
        lora = self.comfy.module("mace_core.training.lora")
        LowRank = self.comfy.module("mace_core.training.factors").LowRank
        encoder = self.comfy.module("nodes.host.text_encoder").HostTextEncoder(self.clip)
        remembering = self.comfy.module("mace_core.encoder.text_encoder").RememberingEncoder(encoder)
        layers = self.comfy.module("nodes.host.patch").cross_attention_layers(self.model)
        keys = {name: size for name, size in layers.items() if name.endswith(".to_k")}
        known = [lora.untrained_lora(remembering, concept) for concept in concepts[:ENCODED]]
        made = []
        for number, concept in enumerate(concepts):
            C, fingerprint = known[number % len(known)].C.clone(), known[0].fingerprint
            factors = {
                name: (0.01 * torch.randn(o, 1), 0.01 * torch.randn(1, d)) for name, (o, d) in keys.items()
            }
            made.append(lora.ConceptLoRA(concept, LowRank(factors), C, fingerprint))
        return tuple(made)

    def _equal(self, erased) -> dict[str, bool]:
        """Whether the original and the erased model give the same bits, for each of PROMPTS."""
        return {
            what: torch.equal(*(self._drawn(model, prompt) for model in (self.model, erased)))
            for what, prompt in PROMPTS.items()
        }

    def _drawn(self, model, text: str) -> torch.Tensor:
        call = self.comfy.call
        positive, negative = (call("CLIPTextEncode", clip=self.clip, text=each)[0] for each in (text, ""))
        (latent,) = call("EmptyLatentImage", width=64, height=64, batch_size=1)
        given = {"model": model, "positive": positive, "negative": negative, "latent_image": latent}
        return call("KSampler", **given, **DRAWING)[0]["samples"]
