"""What must stay as it is, as one matrix."""

from comfy_api.latest import io

from ..mace_core.moments import add_priors, prior_from_captions
from ._host import Progress
from ._host_text import HostTextEncoder
from ._sockets import CATEGORY, Prior


class PreservePrior(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_PreservePrior",
            display_name="Preserve Prior",
            category=CATEGORY,
            description="Measures what the text encoder says about everything that must stay as it is.",
            inputs=[
                io.Clip.Input("clip",
                              tooltip="The text encoder of the checkpoint whose concepts are erased."),
                io.String.Input(
                    "captions", multiline=True, default="a photo of a cat\na photo of a dog",
                    tooltip="What to preserve: one caption or name a line. "
                            "The more of what you care about, the better."),
                io.Float.Input(
                    "weight", default=1.0, min=0.0, max=1e9, step=0.1,
                    tooltip="How much these captions count beside those of the other prior."),
                Prior.Input("other", optional=True,
                            tooltip="Another prior of the same text encoder, added to this one."),
            ],
            outputs=[Prior.Output(display_name="prior",
                                  tooltip="For Cross-Attention Refinement and Fuse LoRAs.")],
        )

    @classmethod
    def execute(cls, clip, captions, weight, other=None):
        lines = [line.strip() for line in captions.splitlines() if line.strip()]
        if not lines:
            raise ValueError("There are no captions to preserve: "
                             "write at least one line such as 'a photo of a cat'.")
        progress, done = Progress("Preserve prior", len(lines)), 0

        def on_batch(count, total):
            nonlocal done
            progress.step(f"caption {count} of {total}", count - done)
            done = count

        prior = prior_from_captions(HostTextEncoder(clip), lines, weight, on_batch)
        return io.NodeOutput(prior if other is None else add_priors(other, prior))
