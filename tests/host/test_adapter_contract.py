"""How hosts use a weight adapter besides calling it: they rebuild it from other tensors and prepare it."""

import pytest
import torch

from tests.host.graphs import CHECKPOINT
from tests.host.test_patches import LAYER, OTHER

KEY = f"{LAYER}.weight"


@pytest.fixture(scope="module")
def model(comfy):
    return comfy.call("CheckpointLoaderSimple", ckpt_name=CHECKPOINT)[0]


@pytest.fixture(scope="module")
def erasure(comfy, model):
    """Some T, and low-rank factors on one of the two layers."""
    layers = comfy.module("nodes.host.patch").cross_attention_layers(model)
    generator = torch.Generator().manual_seed(0)
    o, d = layers[LAYER]
    U, D = (torch.randn(shape, generator=generator) / 8 for shape in ((o, 2), (2, d)))
    concept = comfy.module("mace_core.concepts.concepts").Concept("ship", "sea")
    T = torch.eye(d) + torch.randn(d, d, generator=generator) / d
    return comfy.module("mace_core.erasure.erasure").Erasure(
        T, comfy.module("mace_core.training.factors").LowRank({LAYER: (U, D)}), (concept,)
    )


@pytest.fixture
def stock(model):
    """The host's own LoRA adapter, for comparison."""
    from comfy.weight_adapter import LoRAAdapter

    o, d = model.model.get_submodule(LAYER).weight.shape
    generator = torch.Generator().manual_seed(1)
    up, down = (torch.randn(shape, generator=generator) / 8 for shape in ((o, 2), (2, d)))
    return LoRAAdapter(set(), (up, down, 2.0, None, None, None))


def with_own_tensors(value):
    """Copies all tensors, like a host that moves an adapter to a device and looks into tuples and lists."""
    if torch.is_tensor(value):
        return value.clone()
    if isinstance(value, (tuple, list)):
        return type(value)(map(with_own_tensors, value))
    return value


def rebuilt(adapter):
    """The adapter as `comfy.lora.prefetch_prepared_value` rebuilds it."""
    return type(adapter)(adapter.loaded_keys, with_own_tensors(adapter.weights))


def calculated(adapter, key=KEY, strength=0.75):
    import comfy.lora

    W = torch.randn(64, 128, generator=torch.Generator().manual_seed(2))
    return comfy.lora.calculate_weight([(strength, adapter, 1.0, None, None)], W, key)


@pytest.mark.parametrize("layer", [LAYER, OTHER], ids=["T and low rank", "T alone"])
def test_a_rebuilt_adapter_gives_the_same_weight(comfy, erasure, stock, layer):
    ours = comfy.module("nodes.host.patch").ErasurePatch.of(erasure, layer)
    for adapter in (ours, stock):
        again = rebuilt(adapter)
        assert type(again) is type(adapter) and again is not adapter
        assert torch.equal(calculated(again), calculated(adapter))
        assert torch.equal(calculated(rebuilt(again)), calculated(adapter))
    assert rebuilt(ours).erasure is erasure


@pytest.mark.parametrize("layer", [LAYER, OTHER], ids=["T and low rank", "T alone"])
def test_an_adapter_prepared_by_the_host_gives_the_same_weight(comfy, erasure, stock, layer):
    """For hosts that move the adapter's tensors to a device before using it."""
    from comfy.model_patcher import LowVramPatch

    if not hasattr(LowVramPatch, "prepare"):
        pytest.skip("this ComfyUI does not prepare adapters")
    W = torch.randn(64, 128, generator=torch.Generator().manual_seed(3))
    ours = comfy.module("nodes.host.patch").ErasurePatch.of(erasure, layer)
    for adapter in (ours, stock):
        patch = LowVramPatch(KEY, {KEY: [(1.0, adapter, 1.0, None, None)]})
        # U and D, each aligned to 1024 bytes; T is shared and must not be moved once per layer
        needed = sum(-(-4 * x.numel() // 1024) * 1024 for x in adapter.weights if torch.is_tensor(x))
        expected, allocated = patch(W.clone()), []
        prepare(patch, allocated)
        assert sum(allocated) == needed > 0  # hosts on a GPU fail if there is nothing to pin
        assert torch.equal(patch(W.clone()), expected) and not torch.equal(expected, W)
        patch.clear_prepared()
        assert torch.equal(patch(W.clone()), expected)


def prepare(patch, allocated: list[int]) -> None:
    """Like the host: the first with dynamic VRAM allocate memory per tensor, later ones once."""

    def allocate(size: int) -> torch.Tensor:
        allocated.append(size)
        return torch.zeros(size, dtype=torch.uint8)

    once = hasattr(patch, "memory_required")
    patch.prepare(allocate(patch.memory_required()) if once else allocate, None)


def test_all_layers_share_one_copy_of_T_on_a_device(comfy, erasure):
    host_patch = comfy.module("nodes.host.patch")
    meta = torch.device("meta")  # stands in for a GPU
    assert host_patch.T_on(erasure, meta) is host_patch.T_on(erasure, meta)
    assert host_patch.T_on(erasure, meta).device == meta
    assert host_patch.T_on(erasure, erasure.T.device) is erasure.T
