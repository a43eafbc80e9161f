"""Memory of a pass: how much it needs, how to use less, and the error when there is not enough."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import comfy.model_management
import torch
from comfy.ldm.modules.attention import BasicTransformerBlock
from comfy.ldm.modules.diffusionmodules.openaimodel import ResBlock
from torch.utils.checkpoint import checkpoint

from ...mace_core.training.batches import in_groups
from ...mace_core.training.factors import keys_of
from .patch import cross_attention_layers

log = logging.getLogger(__name__)

# Peak memory of a training pass, per transformer block, in tensors of the block's size [positions, width].
# Includes the convolutions. Maximum of the three model families, measured by `make fullsize`
HELD, HELD_LOW = 38, 12
IN_USE = 0.1  # the share of a device's memory that is never counted on
MOST_AT_ONCE = 16  # concepts per batch: larger batches gain little, and a killed run loses its batch
# in the messages of out-of-memory errors without a type of their own
SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "could not create a primitive")
TOKENS = 77


def training_memory(patcher, layers, shape, low_memory: bool) -> int:
    """Bytes of a forward and backward pass, weights excluded, for latents of `shape` `[B, c, h, w]`."""
    model = patcher.model
    dtype = model.manual_cast_dtype or model.get_dtype()
    itemsize = comfy.model_management.dtype_size(dtype)
    # each side of a block of width o is (channels / o) times that of the latent
    channels = model.diffusion_model.model_channels
    widths = [layers[name][0] for name in keys_of(layers)]
    block = sum(channels**2 / o for o in widths) * shape[0] * shape[-2] * shape[-1]
    held = block * itemsize * (HELD_LOW if low_memory else HELD)
    if not low_memory and dtype != model.get_dtype():  # autograd also saves the weights that were cast
        held += patcher.model_size() * itemsize / comfy.model_management.dtype_size(model.get_dtype())
    return int(held)


def maps_memory(patcher, layers, shape) -> int:
    """Bytes of the float32 attention maps of one pass, for latents of `shape` `[B, c, h, w]`."""
    config = patcher.model.model_config.unet_config
    channels, places, total = patcher.model.diffusion_model.model_channels, shape[-2] * shape[-1], 0.0
    for o in (layers[name][0] for name in keys_of(layers)):
        heads = config.get("num_heads", -1)
        heads = heads if heads > 0 else o / config["num_head_channels"]
        total += heads * places * (channels / o) ** 2
    return int(total * shape[0] * TOKENS * 4)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU or the CPU ran out of memory. The CPU's allocator raises a plain RuntimeError."""
    if isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def may_be_tried_with_less(error: Exception) -> bool:
    """Whether memory ran out. If so, this also frees what the failed attempt held."""
    if not is_out_of_memory(error):
        return False
    comfy.model_management.soft_empty_cache()
    return True


@contextmanager
def told_in_a_sentence(what: str) -> Iterator[None]:
    """Turn an out-of-memory error into a ValueError that says what to do, and unload all models.

    what: completes "There is not enough memory ...", such as "to train 'ship'".
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        comfy.model_management.unload_all_models()
        comfy.model_management.soft_empty_cache()
        raise ValueError(
            f"There is not enough memory {what}, even at the lowest memory use: choose a "
            "smaller image size, close other programs that use the GPU, or restart ComfyUI with "
            "--lowvram or --cpu."
        ) from error


def in_parts(count: int, most: int, work: Callable[[int, int], Sequence], what: str) -> list:
    """The results of `work(start, number)` for items 0 to `count` - 1, at most `most` items per call.

    Calls get smaller when memory runs out. Raises ValueError if a single item does not fit; for `what`, see
    `told_in_a_sentence`.
    """

    def part(group: Sequence[int]) -> Sequence:
        return work(group[0], len(group))

    with told_in_a_sentence(what):
        parts = in_groups(range(count), most, lambda _: None, part, may_be_tried_with_less)
        return [result for _, results in parts for result in results]


def joined(batch: torch.Tensor, work: Callable[[torch.Tensor], torch.Tensor], what: str) -> torch.Tensor:
    """`work(batch)`, or the joined results of smaller parts of the batch if memory runs out.

    Raises ValueError if a single item does not fit; for `what`, see `told_in_a_sentence`.
    """

    def part(group: Sequence[int]) -> torch.Tensor:
        return work(batch[group[0] : group[-1] + 1])

    with told_in_a_sentence(what):
        groups = in_groups(range(len(batch)), len(batch), lambda _: None, part, may_be_tried_with_less)
        parts = [results for _, results in groups]
        return torch.cat(parts) if len(parts) > 1 else parts[0]


def concepts_at_once(patcher, latents) -> int:
    """How many concepts fit into one training batch, 1 to `MOST_AT_ONCE`.

    The largest number whose activations fit, or else the largest that fits when activations are recomputed.
    """
    layers, room = cross_attention_layers(patcher), _room(patcher)
    for low_memory in (False, True):
        for count in range(MOST_AT_ONCE, 0, -1):
            if training_memory(patcher, layers, [count, *latents.shape[1:]], low_memory) <= room:
                return count
    return 1


def _room(patcher) -> float:
    """Bytes for activations on the device, once every other model is unloaded."""
    device = patcher.load_device
    if comfy.model_management.is_device_cpu(device):  # nothing can be unloaded, and the model is in memory
        return comfy.model_management.get_free_memory(device) * (1 - IN_USE)
    return comfy.model_management.get_total_memory(device) * (1 - IN_USE) - patcher.model_size()


def is_short_of_memory(patcher, layers, shape) -> bool:
    """Whether the activations of a training pass do not fit on the device. If so, logs the sizes."""
    needed, room = training_memory(patcher, layers, shape, low_memory=False), _room(patcher)
    if needed > room:
        log.info(
            "Training needs %.1f GB in addition to the weights, but %.1f GB are available: activations "
            "are recomputed in the backward pass",
            needed / 2**30,
            max(room, 0) / 2**30,
        )
    return needed > room


@contextmanager
def checkpointed_blocks(network, layers) -> Iterator[None]:
    """Inside the context, blocks save only their inputs and run again in the backward pass.

    The block of the last map is excluded, because the U-Net stops inside it.
    """
    last = next(reversed(layers)).rpartition(".attn2")[0]
    blocks = [
        module
        for name, module in network.named_modules()
        if isinstance(module, (BasicTransformerBlock, ResBlock)) and name != last
    ]
    try:
        for block in blocks:
            block.forward = _computed_again(block.forward)
        yield
    finally:
        for block in blocks:
            block.__dict__.pop("forward", None)


def _computed_again(forward) -> Callable:
    def run(*inputs, **named) -> Any:
        # the U-Net keeps writing into its options, but a block that runs again must see its own
        inputs = [_own(value) for value in inputs]
        named = {name: _own(value) for name, value in named.items()}
        return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, **named)

    return run


def _own(value) -> Any:
    return dict(value) if isinstance(value, dict) else value
