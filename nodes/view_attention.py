"""What the network looks at while it reads each word, before and after."""

from comfy_api.latest import io, ui

from .host.attention_maps import word_maps
from .host.images import to_image
from .host.patch import cross_attention_layers
from .host.progress import TimedProgress, blocked
from .host.sampling import check_vae, decode, draw_latents, drawn_latents, size_of
from .host.text_encoder import HostTextEncoder
from .reports.attention_sheet import Row, attention_sheet, mask_sheet, require_masks
from .sockets import CATEGORY, TrainingSet, expert, found_as

NO_MASKS = "View Attention has no training set, so it shows no masks: connect the one of Mask Concepts."


class ViewAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_ViewAttention",
            display_name="View Attention",
            category=CATEGORY,
            **found_as("attention map", "heatmap", "DAAM"),
            description="Shows for every word of a prompt where the network looks while it reads it, before "
            "and after an erasure: figure 2 of the MACE paper.",
            is_output_node=True,
            inputs=[
                io.Model.Input("before", tooltip="The MODEL to look into: the one before the erasure."),
                io.Clip.Input("clip", tooltip="The text encoder of the same checkpoint."),
                io.Vae.Input("vae", tooltip="The VAE of the same checkpoint, for the pictures shown."),
                io.Latent.Input(
                    "latent",
                    tooltip="An Empty Latent Image: a picture of that size is drawn with each "
                    "model. Or latents of a picture (VAE Encode, KSampler): both models "
                    "look at the first one.",
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="a photo of a ship",
                    tooltip="Its words are looked at, taken literally.",
                ),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=2**64 - 1,
                    control_after_generate=False,
                    tooltip="Of the picture that is drawn.",
                ),
                io.Int.Input("steps", default=30, min=1, max=200, tooltip="Sampling steps for the picture."),
                expert(
                    io.Float,
                    "cfg",
                    default=7.5,
                    min=0.0,
                    max=30.0,
                    step=0.5,
                    tooltip="Guidance, as in KSampler. The bundled miniature model likes 4.",
                ),
                io.Model.Input("after", optional=True, tooltip="The erased MODEL, for a second row of maps."),
                TrainingSet.Input(
                    "training_set",
                    optional=True,
                    tooltip="From Mask Concepts: its masks are shown on their pictures.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="maps",
                    tooltip="One map a word, with the words under them. The "
                    "maps of one word share one scale.",
                ),
                io.Image.Output(display_name="masks", tooltip="The training set's masks on their pictures."),
            ],
        )

    @classmethod
    def execute(cls, before, clip, vae, latent, prompt, seed, steps, cfg=7.5, after=None, training_set=None):
        models = {"before": before} if after is None else {"before": before, "after": after}
        for model in models.values():
            cross_attention_layers(model)
        check_vae(vae)
        given = drawn_latents(latent)[:1] if latent["samples"].any() else None
        require_masks(training_set or ())
        encoder = HostTextEncoder(clip)
        progress = TimedProgress("View attention", len(models) * (steps + 1))
        rows, words = [], ()
        for name, model in models.items():
            seen = given
            if seen is None:
                seen = draw_latents(
                    model,
                    encoder.conditioning(prompt),
                    encoder.conditioning(""),
                    1,
                    size_of(latent),
                    steps,
                    cfg,
                    seed,
                    lambda count, name=name: progress.step(name, count),
                )
            words, heat = word_maps(model, encoder, prompt, seen)
            rows.append(Row("" if after is None else name, decode(vae, seen)[0], heat))
            progress.step(name)
        maps = to_image(attention_sheet(prompt, words, rows))
        pictures = ui.PreviewImage(maps, cls=cls).values
        if training_set is None:
            return io.NodeOutput(maps, blocked(NO_MASKS), ui={"images": pictures})
        masks = to_image(mask_sheet(training_set))
        return io.NodeOutput(maps, masks, ui={"images": pictures + ui.PreviewImage(masks, cls=cls).values})
