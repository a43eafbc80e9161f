"""Template 2: all three stages of MACE for one concept, images before and after, and the saved erasure."""

from dev.workflows.layout import ERASED, images_of, template, three_stages

NAMES = (
    "airplane automobile bird cat deer dog frog horse truck cow fish butterfly apple banana bread "
    "pizza cake clock book guitar bus train house tree rose hat shoe key camera moon person "
    "sea sky street ground meadow desert snow night beach table wall "
).split()
KEEP = "\n".join(f"a photo of the {name}" for name in NAMES)

TEMPLATE = template(
    "Press **Run**. Runs all three stages of MACE: refines the words around *ship* in closed form, trains a "
    "small LoRA that turns attention away from ships, and fuses both. *Save Erasure* writes one small file "
    "to `models/mace`.\n\n"
    "**Another concept:** change *Erase Concepts*, the prompt and the name in *Save Erasure*, and delete the "
    "concept from *Preserve Prior*.\n\n"
    "**Your own model:** choose an SD1.x, SD2.x or SDXL checkpoint. Set its size (512, 768 or 1024) in *Draw "
    "Concepts* and *Empty Latent Image*, and cfg to 7.5. Bypass *Enlarge*.\n\n"
    "**Elsewhere:** *Load Erasure* and *Apply Erased Model*, on any checkpoint with the same text encoder.",
    three_stages("ship -> sea", "ship_to_sea", captions=KEEP),
    images_of("a photo of a ship", ERASED, 5, 520),
)
