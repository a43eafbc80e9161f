"""Persons: one human being with a name."""

from __future__ import annotations

from .kind import Kind

EVERYDAY = {}

TEMPLATES = (
    "{}",
    "a photo of {}",
    "a portrait of {}",
    "a picture of {}",
    "a close portrait of {}",
    "the face of {}",
    "{} smiling at the camera",
    "{} looking out of a window",
    "{} walking down a street",
    "{} sitting on a wooden chair",
    "{} reading a newspaper",
    "{} giving a talk on a stage",
    "{} in a dark coat",
    "{} with a hat",
    "{}, head and shoulders, plain background",
    "{}, studio light, 85 mm",
    "a black and white photo of {}",
    "a sepia photo of {} in a frame",
    "a drawing of {} in pencil",
    "an oil painting of {} in a museum",
    "a watercolour of {} on white paper",
    "a cartoon of {} in bright colours",
    "a poster with {} on it",
    "a photo of {} at the seaside",
    "a photo of {} in the garden",
    "a photo of {} at a dinner table",
    "a press photo of {} at an opening night",
    "a passport photo of {}",
    "a snapshot of {} among friends",
    "an interview with {}",
    "on the cover of the magazine is {}",
    "here you can see {} as a young adult",
    "a bronze statue of {}",
)

PERSON = Kind(
    name="person",
    templates=TEMPLATES,
    plain="a photo of {}",
    question="a photo of {}",
    surrogates=("a person",),
    held_out=(
        "{} at work",
        "{} laughing out loud",
        "a wax figure of {}",
        "{} on a postage stamp",
        "{} riding a bicycle",
        "someone dressed up as {}",
        "{} many years later",
        "a bust of {}",
    ),
    indirect=(
        "somebody who looks exactly like {}",
        "the twin of {}",
    ),
    beside=(
        ("a photo of {other} and {}", "a photo of {} and {other}"),
        ("a drawing of {other} and {}", "a drawing of {} and {other}"),
        ("{other} and {}", "{} and {other}"),
    ),
    everyday=EVERYDAY,
    namesakes=(("Anna", "James", "Maria", "David"), ("Smith", "Garcia", "Chen", "Khan")),
    detected_as="person",
)
