"""The report on another checkpoint promises only what the mathematics guarantees."""

import re

import pytest
import torch

from mace_core.erasure.erasure import Erasure
from mace_core.erasure.transfer import NOT_CHECKED, transferred
from mace_core.training.factors import LowRank

LAYER = "diffusion_model.a.attn2.to_k"


def erasure(fused: bool, base: str = "here") -> Erasure:
    factors = {LAYER: (torch.zeros(6, 1), torch.zeros(1, 8))} if fused else {}
    return Erasure(torch.eye(8), LowRank(factors), (), base=base)


@pytest.mark.parametrize(
    "fused, base, says, never",
    [
        (False, "elsewhere", "every checkpoint", "guaranteed"),
        (True, "here", "whole erasure is exact", "guaranteed"),
        (True, "", "not recorded", "whole erasure"),
        (
            True,
            "elsewhere",
            "closed-form part is exact.*not guaranteed",
            "whole erasure",
        ),
    ],
)
def test_what_is_said(fused, base, says, never):
    for doubt in ("", NOT_CHECKED):
        said = transferred(erasure(fused, base), "here", doubt)
        assert ("connect CLIP" in said) == bool(doubt) and said.endswith(".") and never not in said
        assert re.search(says, said)
