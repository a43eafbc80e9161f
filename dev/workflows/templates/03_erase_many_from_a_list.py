"""Template 3: a dozen concepts of three kinds at once; results are cached, so that the list can grow."""

from dev.workflows.layout import OWN_MODEL, WIDTH, evidence, grid, latent_of, template, three_stages
from dev.workflows.to_ui import Out

CONCEPTS = """# target (synonyms) -> surrogate
ship (vessel, boat) -> sea
horse (steed, mount) -> meadow
fox (red fox) -> meadow
lion (lioness) -> desert
penguin -> snow
owl -> night
elephant (pachyderm) -> desert
rose -> meadow
banana -> table
person: Mira Vance -> a person
person: Rufus Marlow -> a person
style: sepia (vintage) -> colour"""
KEEP = "cat\ndog\nautomobile\nairplane\ntree\nhouse\n"
OTHERS = "person: Nadia Quist\nperson: Oscar Tanaka\nstyle: black and white"
TEMPLATE = template(
    "Press **Run**. Erases nine objects, two people and a style at once, and shows images of some of them, "
    "of synonyms and of preserved concepts, before and after.\n\n"
    "**Your own list:** one concept per line, or a CSV, JSON or YAML file in *Erase Concepts*. Results per "
    "concept are cached: after a change, only new concepts are trained, and a stopped run continues where it "
    "ended." + OWN_MODEL,
    three_stages(CONCEPTS, "a_dozen", images=4, steps=20, captions="", names=KEEP + OTHERS),
    latent_of(5, 520),
    evidence(
        "MACE_ScoreErasure",
        6,
        "Score",
        960,
        width=WIDTH,
        images=2,
        steps=10,
        keep="cat\ndog\nperson: Nadia Quist\nstyle: black and white",
        prior=Out("prior"),
    ),
    grid(7, "Before and after"),
)
