"""What must stay as it is, as one matrix."""

from functools import reduce

from comfy_api.latest import io

from ..mace_core.concepts.captions import FORMATS, captions_of_names, everyday_captions, read_captions
from ..mace_core.concepts.lines import items
from ..mace_core.presets import domain_weight
from ..mace_core.refinement.prior import add_priors, weighted
from .host.files import NONE, read_file, text_file_version, text_files
from .host.progress import TimedProgress
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, Concepts, Prior, found_as, listed, only
from .work.priors import prior_once


class PreservePrior(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MACE_PreservePrior",
            display_name="Preserve Prior",
            category=CATEGORY,
            **found_as("keep concepts", "retain", "COCO captions", "regularization"),
            description="Measures what the text encoder says about everything that must stay as it is.",
            is_input_list=True,  # a list of captions, as a folder of texts is read, is one prior
            inputs=[
                io.Clip.Input(
                    "clip", tooltip="The text encoder of the checkpoint whose concepts are erased."
                ),
                io.String.Input(
                    "captions",
                    multiline=True,
                    default="a photo of a cat\na photo of a dog",
                    tooltip="What to preserve: one caption or name a line. "
                    "The more of what you care about, the better.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=1e9,
                    step=0.1,
                    tooltip="How much these captions count beside those of the other prior.",
                ),
                Prior.Input(
                    "other",
                    optional=True,
                    tooltip="Another prior of the same text encoder, added to this one.",
                ),
                io.String.Input(
                    "names",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="Names to keep, one a line, in the prompts a concept is erased in: horse, or "
                    "person: Jo Doe, style: Monet. The names of each kind are a prior of their own, "
                    "added to the others.",
                ),
                io.Combo.Input(
                    "file",
                    options=text_files(FORMATS),
                    default=NONE,
                    optional=True,
                    tooltip="More captions from the host's input folder or models/mace: .txt, .csv, or the "
                    "annotations of COCO as .json. Press R after adding one.",
                ),
                io.Boolean.Input(
                    "everyday",
                    default=False,
                    optional=True,
                    tooltip="Adds this pack's own captions of people, animals, things and places: a prior "
                    "for those who have no captions.",
                ),
                Concepts.Input(
                    "concepts",
                    optional=True,
                    tooltip="From Erase Concepts: these captions then count as the paper counts those of the "
                    "concepts' own domain, by kind and number; weight multiplies that.",
                ),
            ],
            outputs=[
                Prior.Output(
                    display_name="prior", tooltip="For Cross-Attention Refinement and Fuse Concept LoRAs."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file=NONE, **_):
        return "\n".join(text_file_version(each, FORMATS) for each in listed(file))

    @classmethod
    def execute(cls, clip, captions, weight, other=None, names="", file=NONE, everyday=False, concepts=()):
        clip, weight, file, everyday = (
            only(value, what)
            for value, what in (
                (clip, "The CLIP"),
                (weight, "The weight"),
                (file, "The file"),
                (everyday, "'everyday'"),
            )
        )
        concepts = [concept for each in listed(concepts) for concept in each]
        lines = [line for text in listed(captions) for line in items(text)]
        if file != NONE:
            lines += read_captions(read_file(file, FORMATS), file)
        if everyday:
            lines += everyday_captions()
        # Names of each kind are a domain: pooled, ten people among a hundred objects would hardly count.
        named = captions_of_names("\n".join(listed(names)))
        domains = [each for each in (lines, *map(list, named.values())) if each]
        if not domains:
            raise ValueError(
                "There are no captions to preserve: write at least one line such as 'a photo of a cat'."
            )
        encoder, priors = HostTextEncoder(clip), [each for each in listed(other) if each is not None]
        progress = TimedProgress("Preserve prior", sum(len(set(each)) for each in domains))
        for each in domains:
            counts = weight * (domain_weight(concepts, len(each)) if concepts else 1.0)
            priors.append(weighted(prior_once(encoder, each, progress), counts))
        return io.NodeOutput(reduce(add_priors, priors))
