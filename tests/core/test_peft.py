"""U is peft's lora_B and D its lora_A: equal factors give an equal layer."""

import warnings

import pytest
import torch

from mace_core.erasure.erasure import Erasure, edited_weight
from mace_core.training.factors import LowRank


@pytest.fixture(scope="module")
def peft():
    try:
        import torchvision  # noqa: F401
    except ImportError:  # optional: peft works without it
        library = None
    except RuntimeError:  # a CUDA torchvision with a CPU torch lacks two operators that it requires
        library = torch.library.Library(
            "torchvision", "DEF"
        )  # the operators exist as long as this object does
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    else:
        library = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield pytest.importorskip("peft")
    del library


@pytest.mark.parametrize("rank", [1, 4])
def test_the_same_delta(peft, rank):
    g = torch.Generator().manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(32, 24, bias=False))
    W = network[0].weight.detach().clone()
    U, D = torch.randn(24, rank, generator=g), torch.randn(rank, 32, generator=g)
    adapted = peft.get_peft_model(network, peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=["0"]))
    layer = adapted.base_model.model[0]
    with torch.no_grad():
        layer.lora_A["default"].weight.copy_(D)
        layer.lora_B["default"].weight.copy_(U)
        e = torch.randn(5, 32, generator=g)
        ours = e @ edited_weight(W, "0", Erasure(torch.eye(32), LowRank({"0": (U, D)}), ())).T
        assert torch.allclose(layer(e), ours, atol=1e-4)
        assert torch.allclose(layer.get_delta_weight("default"), U @ D, atol=1e-5)
