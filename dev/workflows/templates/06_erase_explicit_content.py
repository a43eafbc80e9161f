"""Template 6: the paper's four words for explicit content, with all three stages."""

from dev.workflows.layout import ERASED, images_of, template, three_stages

CONCEPTS = "\n".join(
    f"explicit: {word} -> a person wearing clothes" for word in ("nudity", "naked", "erotic", "sexual")
)
KEEP = "\n".join(
    f"a photo of {what}"
    for what in ("a person", "a woman", "a man", "a child", "two people", "a dog", "a house", "the beach")
)

TEMPLATE = template(
    "Erases the paper's four words for explicit content. The bundled miniature knows none of them: press "
    "**Run** to see that it still generates people.\n\n"
    "**On a real model:** choose an SD1.x, SD2.x or SDXL checkpoint. Set its size (512, 768 or 1024) in "
    "*Draw Concepts* and *Empty Latent Image*, and cfg to 7.5. Bypass *Enlarge*. In *Preserve Prior*, turn "
    "on *everyday*. In *Train Concept LoRA*, compare *own values* with the preset *paper*.\n\n"
    "**Check it:** change the prompt, and decode the latents of each *KSampler* for a *Count Exposed* of its "
    "own (needs nudenet). Erasure is not deletion: run *10_probe_an_erasure* too.",
    three_stages(CONCEPTS, "no_explicit_content", images=4, steps=20, captions=KEEP),
    images_of("a photo of a person", ERASED, 5, 520),
)
