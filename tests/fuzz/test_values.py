"""Numbers and shapes: settings, erasures, priors, training images and masks."""

import dataclasses

import torch
from hypothesis import given
from hypothesis import strategies as st

from mace_core.concepts.concepts import Concept
from mace_core.erasure.erasure import Erasure, ErasureSettings
from mace_core.erasure.export import ExportSettings
from mace_core.erasure.fuse import FuseSettings
from mace_core.refinement.prior import Prior, weighted
from mace_core.refinement.refine import RefineSettings
from mace_core.training.factors import LowRank
from mace_core.training.lora import Provenance
from mace_core.training.masks import masks_in_order
from mace_core.training.settings import TrainSettings
from mace_core.training.training_set import TrainingImages
from tests.fuzz.answers import answer
from tests.fuzz.test_files import json_values

RECORDS = (Concept, RefineSettings, FuseSettings, TrainSettings, Provenance, ErasureSettings)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from((10**400, -(10**400), 0, -0.0, 1e-320, float("nan"), float("inf"))),
)
shapes = st.lists(st.integers(0, 5), max_size=5).map(tuple)


@st.composite
def tensors(draw, sizes=shapes) -> torch.Tensor:
    dtype = draw(st.sampled_from((torch.float32, torch.float32, torch.float64, torch.float16)))
    fill = draw(st.sampled_from((0.0, 0.5, 1.0, 1.0, -1.0, 2.0, float("nan"), float("inf"))))
    return torch.full(draw(sizes), fill, dtype=dtype)


@given(st.sampled_from(RECORDS), st.data())
def test_records(record, data):
    names = [field.name for field in dataclasses.fields(record)]
    values = data.draw(st.dictionaries(st.sampled_from(names), st.one_of(numbers, json_values)))
    found = answer(record.from_json, values, "The record", size=len(str(values)))
    if found is not None:
        assert record.from_json(found.to_json(), "The record").to_json().keys() == found.to_json().keys()


@given(numbers, numbers)
def test_settings(first, second):
    for settings in (RefineSettings, FuseSettings):
        answer(settings, first, second, size=100)
    answer(lambda: TrainSettings(steps=first, learning_rate=second), size=100)
    answer(lambda: ExportSettings(rank=first), size=100)
    answer(weighted, Prior(torch.eye(2, dtype=torch.float64), 1, "x"), first, size=100)


square = st.integers(0, 4).map(lambda d: (d, d))


@given(tensors(st.one_of(shapes, square)), st.lists(st.tuples(tensors(), tensors()), max_size=2))
def test_erasures(T, factors):
    low_rank = LowRank({f"layer {number}": both for number, both in enumerate(factors)})
    erasure = answer(Erasure, T, low_rank, (), size=10_000)
    if erasure is not None:
        assert T.ndim == 2 and all(U.shape[1] == D.shape[0] for U, D in low_rank.values())


@given(tensors())
def test_priors(P):
    prior = answer(Prior, P, 1, "x", size=10_000)
    assert prior is None or P.ndim == 2 and P.shape[0] == P.shape[1]


batches = st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 9))
latents = st.tuples(st.integers(0, 3), st.just(4), st.integers(0, 9), st.integers(0, 9))


@given(tensors(st.one_of(shapes, latents)), tensors(st.one_of(shapes, batches)))
def test_training_images(images, masks):
    answer(TrainingImages, images, masks, size=10_000)


@given(
    tensors(batches), st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9), st.integers(1, 9)), max_size=3)
)
def test_masks(masks, sets):
    sizes = [(f"concept {number}", count, (h, w)) for number, (count, h, w) in enumerate(sets)]
    found = answer(masks_in_order, masks, sizes, size=10_000)
    assert found is None or [len(each) for each in found] == [count for _, count, _ in sizes]
