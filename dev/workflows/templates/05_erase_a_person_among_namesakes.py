"""Template 5: a person is erased, and two people who share a name with her are preserved."""

from dev.workflows.layout import OWN_JUDGE, OWN_MODEL, evidence, latent_of, template, three_stages
from dev.workflows.to_ui import Out

NAMESAKES = "person: Mira Marlow\nperson: Hugo Vance"
OTHERS = "person: Nadia Quist\nperson: Oscar Tanaka\nperson: Elsa Lind\nperson: Boris Sorel\nperson"

TEMPLATE = template(
    "Press **Run**. Erases *Mira Vance* and preserves *Mira Marlow* and *Hugo Vance*, who share a name with "
    "her: the images on the right show all three, before and after.\n\n"
    "**Another person:** change *Erase Concepts*. List people to preserve, namesakes first, in *Preserve "
    "Prior* and in *keep* of *Score Erasure*." + OWN_MODEL + OWN_JUDGE,
    three_stages(
        "person: Mira Vance -> a person", "no_mira_vance", captions="", names=f"{NAMESAKES}\n{OTHERS}"
    ),
    latent_of(5, 520),
    evidence(
        "MACE_ScoreErasure",
        6,
        "The person and the namesakes",
        960,
        images=4,
        steps=20,
        keep=NAMESAKES,
        prior=Out("prior"),
    ),
)
