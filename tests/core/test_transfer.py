"""Nothing is promised of another checkpoint that the mathematics does not give."""

import re

import pytest
import torch

from mace_core.erasure.erasure import Erasure
from mace_core.erasure.transfer import NOT_CHECKED, transferred

LAYER = "diffusion_model.a.attn2.to_k"


def erasure(fused: bool, base: str = "here") -> Erasure:
    U, D = ({LAYER: torch.zeros(*shape)} if fused else {} for shape in ((6, 1), (1, 8)))
    return Erasure(torch.eye(8), U, D, (), base=base)


@pytest.mark.parametrize(
    "fused, base, says, never",
    [
        (False, "elsewhere", "exact on every checkpoint", "promised"),
        (True, "here", "all of it is exact", "promised"),
        (True, "", "LoRAs were trained is not recorded", "all of it"),
        (
            True,
            "elsewhere",
            "closed-form part is exact here too.*another U-Net.*cannot be promised",
            "all of it",
        ),
    ],
)
def test_what_is_said(fused, base, says, never):
    for doubt in ("", NOT_CHECKED):
        said = transferred(erasure(fused, base), "here", doubt)
        assert ("connect CLIP" in said) == bool(doubt) and said.endswith(".") and never not in said
        assert re.search(says, said)
