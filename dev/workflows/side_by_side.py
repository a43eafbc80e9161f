"""What the templates share: nodes that generate images with a MODEL and show them."""

from dev.workflows.to_ui import Node, Out

SAMPLING = {"seed": 7, "steps": 20, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal"}


def drawing(name: str, model: Out, at: tuple[int, int], title: str) -> tuple[Node, ...]:
    """KSampler, VAE decoder and preview in a row that starts at `at`.

    The template must have nodes named `loader`, `positive`, `negative` and `latent`.
    """
    x, y = at
    return (
        Node(
            f"sample_{name}",
            "KSampler",
            at=(x, y),
            size=(300, 262),
            title=f"KSampler: {title}",
            inputs={
                "model": model,
                "positive": Out("positive"),
                "negative": Out("negative"),
                "latent_image": Out("latent"),
                **SAMPLING,
            },
        ),
        Node(
            f"decode_{name}",
            "VAEDecode",
            at=(x + 340, y),
            size=(200, 46),
            inputs={"samples": Out(f"sample_{name}"), "vae": Out("loader", "VAE")},
        ),
        Node(
            f"show_{name}",
            "PreviewImage",
            at=(x + 580, y),
            size=(460, 262),
            title=title,
            inputs={"images": Out(f"decode_{name}")},
        ),
    )
