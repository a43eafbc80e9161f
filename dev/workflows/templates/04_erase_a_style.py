"""Template 4: all three stages for a style; the subject of the image is preserved."""

from dev.workflows.layout import ERASED, NOT_ENLARGED, OWN_MODEL, images_of, template, three_stages

KEEP = "style: black and white\nstyle: noto\nstyle: twemoji\nstyle: fluent\ncat\nship\nhouse\nperson"

TEMPLATE = template(
    "Press **Run**. Erases the style *sepia*: the same prompt now gives images in colour, of the same "
    "subject.\n\n"
    "**Another style:** change *Erase Concepts* (*Van Gogh -> art*; its kind is *style*) and the prompt. "
    "Styles to preserve are lines like *style: Monet* in *Preserve Prior*." + OWN_MODEL + NOT_ENLARGED,
    three_stages("style: sepia (vintage) -> colour", "no_sepia", captions="", names=KEEP),
    images_of("a sepia photo of a house", ERASED, 5, 520),
)
