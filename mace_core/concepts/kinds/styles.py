"""Styles: how a whole image looks, such as an artist's hand or a rendering."""

from __future__ import annotations

from .kind import Kind

EVERYDAY = {
    **dict.fromkeys(
        (
            "Vincent van Gogh",
            "Claude Monet",
            "Rembrandt",
            "Katsushika Hokusai",
            "Gustav Klimt",
            "Edvard Munch",
            "impressionism",
            "cubism",
            "art nouveau",
            "a pencil sketch",
            "a watercolour",
            "a photograph",
        ),
        (),
    ),
}

TEMPLATES = (
    "{}",
    "a painting by {}",
    "a drawing by {}",
    "a picture by {}",
    "a painting in the style of {}",
    "a picture in the style of {}",
    "a landscape in the style of {}",
    "a portrait in the style of {}",
    "a still life in the style of {}",
    "a street at night in the style of {}",
    "a field of flowers in the style of {}",
    "a harbour in the style of {}",
    "a mountain in the style of {}",
    "an animal in the style of {}",
    "a house by {} with a red roof",
    "a garden by {} in summer",
    "a self portrait by {} on canvas",
    "an early work by {} on paper",
    "{} style",
    "{} style painting of a village",
    "{} style picture of a tree",
    "{} style portrait of a woman",
    "{} style drawing of a bridge",
    "{}, oil on canvas",
    "{}, a famous painting",
    "{}, brush strokes, detail",
    "inspired by {}, a quiet river",
    "in the manner of {}, a table with fruit",
    "as {} would have painted it",
    "the well known brushwork of {} in close view",
    "a museum room full of pictures by {}",
    "a print after {} in a simple frame",
    "a copy of a picture by {}",
)

STYLE = Kind(
    name="style",
    templates=TEMPLATES,
    plain="a picture in the style of {}",
    question="a picture in the style of {}",
    surrogates=("art",),
    held_out=(
        "a cat as {} would see it",
        "a poster that copies {}",
        "a car, {} style",
        "a tribute to {}",
        "a kitchen, after {}",
        "wallpaper with a pattern by {}",
        "a stamp designed by {}",
        "a train station in the manner of {}",
    ),
    indirect=(
        "a picture that could be mistaken for one by {}",
        "a forgery of {}",
    ),
    everyday=EVERYDAY,
    whole_image=True,
)
