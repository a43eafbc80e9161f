"""Collects text-encoder statistics of the prompts to preserve, as one matrix."""

from functools import reduce

from comfy_api.latest import io

from ..mace_core.concepts.caption_files import FORMATS, read_captions
from ..mace_core.concepts.captions import captions_of_names, everyday_captions
from ..mace_core.concepts.lines import items
from ..mace_core.presets import domain_weight
from ..mace_core.refinement.prior import add_priors, weighted
from .arrived import checked
from .host.files import NONE, text_file_version, text_files
from .host.progress import TimedProgress, check_interrupted
from .host.text_encoder import HostTextEncoder
from .sockets import CATEGORY, Concepts, Prior, found_as, listed, only
from .work.priors import LeftOut, captions_file, prior_once, sources


class PreservePrior(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_PreservePrior",
            display_name="Preserve Prior",
            category=CATEGORY,
            **found_as("keep concepts", "retain", "COCO captions", "regularization"),
            description="Collects text-encoder statistics for prompts the edit must not change.",
            is_input_list=True,  # a list of captions, such as a folder of texts, makes one prior
            inputs=[
                io.Clip.Input("clip", tooltip="The CLIP of the checkpoint to erase from."),
                io.String.Input(
                    "captions",
                    multiline=True,
                    default="a photo of a cat\na photo of a dog",
                    tooltip="What to preserve: one caption or name per line. The more of what you care "
                    "about, the better.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=0.0,
                    max=1e9,
                    step=0.1,
                    tooltip="Weight of these captions next to those of the other prior.",
                ),
                Prior.Input(
                    "other",
                    optional=True,
                    tooltip="Another prior of the same text encoder; the two are added.",
                ),
                io.String.Input(
                    "names",
                    multiline=True,
                    default="",
                    optional=True,
                    tooltip="Names to preserve, one per line: horse, or person: Jo Doe, or style: Monet. "
                    "Each kind makes a prior of its own.",
                ),
                io.Combo.Input(
                    "file",
                    options=text_files(FORMATS),
                    default=NONE,
                    optional=True,
                    tooltip="More captions from ComfyUI's input folder or models/mace: .txt, .csv or "
                    "COCO's .json. Press R after adding one.",
                ),
                io.Boolean.Input(
                    "everyday",
                    default=False,
                    optional=True,
                    tooltip="Adds about 800 captions of everyday people, animals, things and places. "
                    "Leave it off if you erase one of them.",
                ),
                Concepts.Input(
                    "concepts",
                    optional=True,
                    tooltip="From Erase Concepts. Weights these captions as the paper weights those of "
                    "the concepts' domain; weight multiplies this.",
                ),
                io.Boolean.Input(
                    "strict",
                    default=False,
                    optional=True,
                    tooltip="Stop at a caption that is too long or names an embedding, instead of leaving "
                    "it out with a warning.",
                ),
            ],
            outputs=[
                Prior.Output(
                    display_name="prior", tooltip="For Cross-Attention Refinement and Fuse Concept LoRAs."
                )
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, file=NONE, **_) -> str:
        return "\n".join(text_file_version(each, FORMATS) for each in listed(file))

    @classmethod
    @checked("file")
    def execute(
        cls,
        clip,
        captions,
        weight,
        other=None,
        names="",
        file=NONE,
        everyday=False,
        concepts=(),
        strict=False,
    ) -> io.NodeOutput:
        clip, weight, file, everyday, strict = (
            only(value, what)
            for value, what in (
                (clip, "The CLIP"),
                (weight, "The weight"),
                (file, "The file"),
                (everyday, "'everyday'"),
                (strict, "'strict'"),
            )
        )
        concepts = [concept for each in listed(concepts) for concept in each]
        lines = [line for text in listed(captions) for line in items(text)]
        if file != NONE:
            lines += read_captions(captions_file(file), file, check_interrupted)
        if everyday:
            lines += everyday_captions()
        # One prior per kind: pooled with a hundred objects, ten people would hardly count.
        names = "\n".join(listed(names))
        domains = [each for each in (lines, *map(list, captions_of_names(names).values())) if each]
        if not domains:
            raise ValueError(
                "There are no captions to preserve, but one is needed: write a line like 'a photo of a cat'."
            )
        encoder, priors = HostTextEncoder(clip), [each for each in listed(other) if each is not None]
        progress = TimedProgress("Preserve prior", sum(len(set(each)) for each in domains))
        left_out = LeftOut(sources(listed(captions), file, names), strict)
        made = [prior_once(encoder, each, progress, left_out) for each in domains]
        usable = [prior for prior in made if prior is not None]
        if not usable:
            raise ValueError(
                f"None of the captions can be used, {left_out.described()}: shorten or reword them."
            )
        if left_out.count:
            total = sum(map(len, domains))
            progress.warn(
                f"{left_out.count} of {total} captions are not preserved: {left_out.described()}: "
                "shorten or reword them."
            )
        for prior in usable:
            counts = weight * (domain_weight(concepts, prior.captions) if concepts else 1.0)
            priors.append(weighted(prior, counts))
        return io.NodeOutput(reduce(add_priors, priors))
