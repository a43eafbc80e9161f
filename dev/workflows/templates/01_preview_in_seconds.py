"""Template 1: stage 1 alone, which takes seconds; images before and after with the same seed."""

from dev.workflows.layout import closed_form, images_of, template
from dev.workflows.to_ui import Out

TEMPLATE = template(
    "Press **Run**. Erases *ship* in closed form only (stage 1 of 3), in seconds, and generates images "
    "before and after with the same seed.\n\n"
    "**Another concept:** change *Erase Concepts* and the prompt.\n\n"
    "**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint, set its size in *Empty Latent Image* "
    "(512, 768 or 1024) and cfg to 7.5. Bypass *Enlarge*.\n\n"
    "All three stages: *02_erase_one_concept*.",
    closed_form("ship -> sea", 250),
    images_of("a photo of a ship", Out("refine", "refined"), 3, 0, below=430),
)
