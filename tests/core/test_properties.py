"""The mathematical properties, with toy text encoders that pad like SD1 and like SD2."""

import pytest

from mace_core.encoder.text_encoder import END_OF_TEXT
from tests.core.properties import CHECKS
from tests.core.toy import ToyTextEncoder


@pytest.mark.parametrize("padding", [END_OF_TEXT, 0], ids=["sd1", "sd2"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_property(check, padding):
    check(ToyTextEncoder(padding=padding))
