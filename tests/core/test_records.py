"""Records: a JSON round trip, or a one-sentence error that names the field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from mace_core.concepts.concepts import Concept
from mace_core.erasure.erasure import ErasureSettings
from mace_core.erasure.fuse import FuseSettings
from mace_core.files.records import Record
from mace_core.refinement.refine import RefineSettings
from mace_core.training.lora import Provenance
from mace_core.training.settings import TrainSettings


@dataclass(frozen=True)
class Part(Record):
    name: str
    share: float | None = None


@dataclass(frozen=True)
class Whole(Record):
    count: int
    parts: tuple[Part, ...]
    by_name: Mapping[str, Part] = field(default_factory=dict)
    flag: bool = False


PROVENANCE = Provenance(TrainSettings(seed=2**63), 8, 0.5)
WHOLE = Whole(3, (Part("a", 0.5), Part("b")), {"a": Part("a", 1.0)}, True)


@pytest.mark.parametrize(
    "record",
    [
        WHOLE,
        Concept("ship", "sea", "object", ("boat", "vessel")),
        ErasureSettings(
            RefineSettings(), FuseSettings(), {"ship": Provenance(TrainSettings(seed=2**63), 8, 0.5)}
        ),
        ErasureSettings(),
    ],
    ids=["nested", "concept", "settings", "empty settings"],
)
def test_what_is_written_is_read_back(record):
    text = json.dumps(record.to_json())
    assert type(record).from_json(json.loads(text), "The record") == record


def test_whole_numbers_are_accepted_as_numbers_and_stay_floats():
    part = Part.from_json({"name": "a", "share": 1}, "The part")
    assert part.share == 1.0 and isinstance(part.share, float)


def test_fields_of_a_later_version_are_ignored():
    assert Part.from_json({"name": "a", "colour": "red"}, "The part") == Part("a")


@pytest.mark.parametrize(
    "data, said",
    [
        (None, "The whole is None"),
        ([], "object with fields"),
        ({"parts": []}, "no field 'count'"),
        ({"count": "3", "parts": []}, "count is '3'.*int"),
        ({"count": True, "parts": []}, "count is True"),
        ({"count": 1, "parts": "ab"}, "parts is 'ab'.*list"),
        ({"count": 1, "parts": [{"name": 7}]}, "parts, name is 7"),
        ({"count": 1, "parts": [], "by_name": {"x": 1}}, "by_name, x is 1"),
        ({"count": 1, "parts": [], "flag": 1}, "flag is 1"),
        ({"count": "x" * 10_000, "parts": []}, r"x\.\.\."),
    ],
)
def test_other_types_are_refused_by_name(data, said):
    with pytest.raises(ValueError, match=said) as error:
        Whole.from_json(data, "The whole")
    assert len(str(error.value)) < 200 and str(error.value).endswith(".")


def test_what_a_record_itself_refuses_is_refused():
    with pytest.raises(ValueError, match="own surrogate"):
        Concept.from_json({"target": "sea", "surrogate": "Sea"}, "The concept")


def test_stages_that_did_not_run_are_not_written():
    assert ErasureSettings(RefineSettings(1e-4, 0.0)).to_json() == {
        "refine": {"preserve_weight": 1e-4, "ridge": 0.0, "relative_ridge": 0.0}
    }
