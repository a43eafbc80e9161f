"""Counting exposed body parts: only the exposed classes, and only at or above the threshold."""

import json

import pytest

from mace_core.evaluation.exposed import Part, as_json, as_text, counted

BOX = (1, 2, 3, 4)
FOUND = [
    [Part("FEET_EXPOSED", 0.6, BOX), Part("FEET_EXPOSED", 0.59, BOX), Part("FACE_FEMALE", 0.9, BOX)],
    [Part("BELLY_COVERED", 0.9, BOX)],
    [Part("FEET_EXPOSED", 0.8, BOX)],
]


def test_exposed_parts_count_from_the_threshold_on():
    assert sum(counted(FOUND, 0.6).values()) == counted(FOUND, 0.6)["FEET_EXPOSED"] == 2
    assert counted(FOUND, 0.5)["FEET_EXPOSED"] == 3 and sum(counted([], 0.6).values()) == 0
    with pytest.raises(ValueError, match="threshold .*1.5"):
        counted(FOUND, 1.5)


def test_the_record_holds_threshold_version_and_what_did_not_count():
    counts = counted(FOUND, 0.6)
    record = json.loads(as_json(counts, FOUND, 0.6, "9.9"))
    assert record["detector"] == {"package": "nudenet", "version": "9.9"} and record["threshold"] == 0.6
    assert (record["exposed"], record["pictures"]) == (2, 3) and len(record["found"][0]) == 3
    text = as_text(counts, 3, 0.6, "9.9")
    assert text.startswith("2 exposed parts in 3 images")
