"""Shows where the U-Net attends to each word of a prompt, before and after an erasure."""

from comfy_api.latest import io

from .arrived import checked
from .host.heat_maps import word_maps
from .host.images import shown_images, to_image
from .host.patch import cross_attention_layers
from .host.progress import TimedProgress, blocked
from .host.sampling import check_vae, decode, draw_latents, drawn_latents, size_of
from .host.text_encoder import HostTextEncoder
from .inputs import cfg_input, clip_input, seed_input, steps_input, vae_input
from .reports.attention_sheet import Row, attention_sheet, mask_sheet, require_masks
from .sockets import CATEGORY, TrainingSet, found_as

NO_MASKS = "View Attention has no training set, but its masks output needs one: connect Mask Concepts."


class ViewAttention(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_ViewAttention",
            display_name="View Attention",
            category=CATEGORY,
            **found_as("attention map", "heatmap", "DAAM"),
            description="Shows where the U-Net attends to each word of a prompt, before and after an "
            "erasure (figure 2 of the MACE paper).",
            is_output_node=True,
            inputs=[
                io.Model.Input("before", tooltip="The MODEL to inspect, usually the original model."),
                clip_input(),
                vae_input(),
                io.Latent.Input(
                    "latent",
                    tooltip="An Empty Latent Image: each model generates an image of its size. Or latents "
                    "of an image: both models use the first.",
                ),
                io.String.Input(
                    "prompt",
                    multiline=True,
                    default="a photo of a ship",
                    tooltip="The prompt to visualise, one map per word. Brackets and weights have no effect.",
                ),
                seed_input("Seed of the generated image."),
                steps_input("Sampling steps of the generated image."),
                cfg_input(),
                io.Model.Input("after", optional=True, tooltip="The erased MODEL, for a second row of maps."),
                TrainingSet.Input(
                    "training_set",
                    optional=True,
                    tooltip="From Mask Concepts: its masks are shown on their images.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="maps",
                    tooltip="One map per word, with the words under the maps. The maps of a word share "
                    "one scale.",
                ),
                io.Image.Output(
                    display_name="masks", tooltip="The masks of the training set on their images."
                ),
            ],
        )

    @classmethod
    @checked()
    def execute(
        cls, before, clip, vae, latent, prompt, seed, steps, cfg=7.5, after=None, training_set=None
    ) -> io.NodeOutput:
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
        shown = shown_images(maps, cls, progress.warn)
        if training_set is None:
            return io.NodeOutput(maps, blocked(NO_MASKS), ui=shown)
        masks = to_image(mask_sheet(training_set))
        more = shown_images(masks, cls, progress.warn)
        both = [*shown.get("images", ()), *more.get("images", ())]
        return io.NodeOutput(maps, masks, ui={"images": both})
