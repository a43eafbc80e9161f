"""Stage 2 on the user's cluster: orders to workers, and how a worker carries them out.

An order names the checkpoint, and its fingerprints decide whether a worker's file is the same. What travels
is JSON and safetensors. Workers cache nothing: the machine that asks does, so that its next run finds it all.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import safetensors.torch

from ...mace_core.concepts.concepts import Concept
from ...mace_core.files.shown import shown
from ...mace_core.files.tensor_file import tensor_bytes
from ...mace_core.training.lora import pack_lora, unpack_lora
from ...mace_core.training.settings import TrainSettings
from ...mace_core.version import VERSION
from ..cluster.membership import is_wanted, named_checkpoint, pool_of_workers
from ..cluster.pool import Order, Pool
from ..host.arguments import threads
from ..host.fingerprints import is_told, model_fingerprint, vae_fingerprint
from ..host.graph import checkpoint_behind
from ..host.memory import may_be_tried_with_less
from ..host.text_encoder import HostTextEncoder
from .generation import generated
from .training import Item, Result, train_group
from .training_set import ConceptImages

UNET, ENCODER, VAE = "U-Net", "text encoder", "VAE"


@dataclass(frozen=True)
class Workers:
    """`shared`: what all orders of a run say: the checkpoint and what it must be."""

    pool: Pool
    shared: Mapping
    warn: Callable[[str], None]

    def generated(
        self, concepts: Sequence[Concept], settings: Mapping
    ) -> Iterator[tuple[int, ConceptImages]]:
        """Yield the place of each concept with its images, as soon as they are finished."""
        orders = [
            Order(
                shown(concept.target), partial(self._order, draw=concept.to_json(), settings=dict(settings))
            )
            for concept in concepts
        ]
        for place, answer in self.pool.answers(orders, self.warn):
            images = safetensors.torch.load(answer["images"])
            yield place, ConceptImages(concepts[place].target, kind=concepts[place].kind, **images)

    def trained(
        self, groups: Sequence[Sequence[Item]], settings: TrainSettings, method: str
    ) -> Iterator[tuple[Sequence[Item], list[Result]]]:
        """Yield each group with its results, as soon as it is finished.

        A group that does not fit into a worker's memory is halved.
        """
        while groups:
            too_large = []
            orders = [
                Order(_names(group), partial(self._training, group, settings, method)) for group in groups
            ]
            for place, answer in self.pool.answers(orders, self.warn):
                if loras := answer["loras"]:
                    yield groups[place], [_unpacked(*each) for each in loras]
                else:
                    half = len(groups[place]) // 2
                    too_large += [groups[place][:half], groups[place][half:]]
            groups = too_large

    def _order(self, **own) -> dict:
        return {**self.shared, **own}

    def _training(self, group: Sequence[Item], settings: TrainSettings, method: str) -> dict:
        concepts = [
            {
                "concept": item.concept.to_json(),
                "images": tensor_bytes({"latents": item.images.latents, "masks": item.images.masks}, {}),
            }
            for item in group
        ]
        return self._order(train=concepts, settings=settings.to_json(), method=method)


@contextmanager
def workers_for(
    prompt: Mapping | None,
    needed: bool,
    warn: Callable[[str], None],
    model,
    encoder: HostTextEncoder,
    vae=None,
) -> Iterator[Workers | None]:
    """The workers that the user asked for, or None if this machine does the work.

    prompt: the graph around the node, or None; needed: whether there is work. warn: gets a sentence if
    workers are asked for, but could not make the same MODEL, CLIP and VAE.
    """
    if not (needed and is_wanted(in_a_graph=prompt is not None)):
        yield None
        return
    wires = ("model", "clip") if vae is None else ("model", "clip", "vae")
    checkpoint = named_checkpoint() or checkpoint_behind(prompt, wires)
    prints = _fingerprints(model, encoder, vae)
    if why := _why_not(checkpoint, prints, model, encoder):
        warn(f"Ray is not used, because workers load a checkpoint as it is, but {why}")
        yield None
        return
    shared = {"version": VERSION, "checkpoint": checkpoint, "fingerprints": prints, "threads": threads()}
    with pool_of_workers() as pool:
        yield Workers(pool, shared | {"layer": encoder.clip.layer_idx}, warn)


def sent_out(count: int) -> str:
    """What the progress says until the first result is there: workers load ComfyUI and the model first."""
    return "1 concept is on the Ray cluster" if count == 1 else f"{count} concepts are on the Ray cluster"


def _why_not(checkpoint: str | None, prints: Mapping, model, encoder: HostTextEncoder) -> str:
    if checkpoint is None:
        return "the MODEL, CLIP and VAE here do not come from one checkpoint loader"
    if any(model.patches.values()) or any(encoder.clip.patcher.patches.values()):
        return "the MODEL or CLIP here has a LoRA or another patch"
    if None in prints.values() or not is_told(prints[ENCODER]):
        return "another pack changes the MODEL, CLIP or VAE here"
    return ""


def _fingerprints(model, encoder: HostTextEncoder, vae) -> dict[str, str | None]:
    own = {UNET: model_fingerprint(model), ENCODER: encoder.fingerprint}
    return own if vae is None else own | {VAE: vae_fingerprint(vae)}


def carried_out(order: Mapping, model, clip, vae) -> dict:
    """On a worker: what an order asks for, with the outputs of the loader of its checkpoint.

    Raises ValueError if they are not those of the machine that asks.
    """
    if order["layer"] is not None:
        clip = clip.clone()
        clip.clip_layer(order["layer"])
    encoder = HostTextEncoder(clip)
    own = _fingerprints(model, encoder, vae)
    differ = [what for what, print_ in order["fingerprints"].items() if own[what] != print_]
    if differ:
        raise ValueError(
            f"the checkpoint {shown(order['checkpoint'])} has another {differ[0]} than where the run was "
            "started: copy the same file there, and use the same version of ComfyUI and kind of device."
        )
    if "draw" in order:
        concept = Concept.from_json(order["draw"], "The concept")
        images = generated(model, vae, encoder, concept, order["settings"], lambda *_: None)
        tensors = {"latents": images.latents, "heat": images.heat, "pictures": images.pictures}
        return {"images": tensor_bytes(tensors, {})}
    group = [_item(**each) for each in order["train"]]
    settings = TrainSettings.from_json(order["settings"], "The settings")
    try:
        results = train_group(model, encoder, group, settings, order["method"])
    except Exception as error:
        if len(group) == 1 or not may_be_tried_with_less(error):
            raise
        return {"loras": []}
    return {"loras": [_packed(result) for result in results]}


def _item(concept: Mapping, images: bytes) -> Item:
    of = Concept.from_json(concept, "The concept")
    return Item(of, ConceptImages(of.target, kind=of.kind, **safetensors.torch.load(images)))


def _packed(result: Result) -> tuple[bytes, dict]:
    tensors, description = pack_lora(*result)
    return tensor_bytes(tensors, {}), description


def _unpacked(tensors: bytes, description: Mapping) -> Result:
    return unpack_lora(safetensors.torch.load(tensors), description)


def _names(group: Sequence[Item]) -> str:
    names = [shown(item.concept.target) for item in group]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
