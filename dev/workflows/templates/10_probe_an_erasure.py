"""Template 10: how hard it is to bring an erased concept back."""

from dev.workflows.layout import (
    OWN_JUDGE,
    OWN_MODEL,
    WIDTH,
    evidence,
    grid,
    latent_of,
    template,
    three_stages,
)

KEEP = "cat\ndog\nautomobile\nairplane\nhorse\nbird\ntree\nhouse\nperson"

TEMPLATE = template(
    "Press **Run**. Erases *ship*, then attacks the erasure: with other words, misspellings, other "
    "languages, a learned embedding and LoRA re-training. Erasure is not deletion: the table shows what each "
    "attack brings back.\n\n"
    "**Your own prompts:** one per line in *prompts*. For an estimate, set *images* to 20 and "
    "*learning_steps* to 100 or more." + OWN_MODEL + OWN_JUDGE,
    three_stages("ship -> sea", "ship_to_sea", captions="", names=KEEP),
    latent_of(5, 520),
    evidence(
        "MACE_ProbeErasure",
        6,
        "Attack",
        960,
        width=WIDTH,
        images=2,
        learning_steps=20,
        steps=15,
        prompts="a boat on the sea\na vessel at night",
    ),
    grid(7, "What each attack brings back"),
)
