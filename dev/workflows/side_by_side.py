"""What the templates share: nodes that generate images with two MODELs, and show one row for each."""

from dev.workflows.to_ui import Node, Out

SAMPLING = {"seed": 7, "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}
Place = tuple[int, int]


def sampler(name: str, model: Out, at: Place, title: str, **sampling: object) -> Node:
    """KSampler with SAMPLING, except for what `sampling` changes.

    The template must have nodes named `positive`, `negative` and `latent`.
    """
    inputs = {
        "model": model,
        "positive": Out("positive"),
        "negative": Out("negative"),
        "latent_image": Out("latent"),
    }
    return Node(name, "KSampler", at, inputs | SAMPLING | sampling, (300, 262), f"KSampler: {title}")


def rows(at: Place) -> tuple[Node, ...]:
    """The images of `before` in the upper row and those of `after` in the lower row, enlarged.

    One batch of latents, because its images share a grid. Miniature images fill little of a preview.
    """
    (x, y), enlarged = at, {"image": Out("decode"), "upscale_method": "bicubic", "scale_by": 4.0}
    return (
        Node(
            "both",
            "LatentBatch",
            at,
            {"samples1": Out("before"), "samples2": Out("after")},
            (170, 46),
            "Both",
        ),
        Node(
            "decode",
            "VAEDecode",
            (x + 210, y),
            {"samples": Out("both"), "vae": Out("loader", "VAE")},
            (170, 46),
        ),
        Node("enlarge", "ImageScaleBy", (x + 420, y), enlarged, (230, 82), "Enlarge"),
        Node(
            "show",
            "PreviewImage",
            (x, y + 180),
            {"images": Out("enlarge")},
            (650, 400),
            "Upper row: before. Lower row: after",
        ),
    )


def routes_of_rows(at: Place) -> dict[tuple[str, str], tuple[Place, ...]]:
    """The wire that goes back from the enlarged images to their preview, between the nodes."""
    (x, y) = at
    return {("show", "images"): ((x + 670, y + 116), (x - 20, y + 116))}
