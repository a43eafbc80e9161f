"""Loads an erasure from a file in models/mace."""

import os

from comfy_api.latest import io

from ..mace_core.erasure.erasure_file import load_erasure
from .arrived import checked
from .host.folders import erasure_names, erasure_path
from .sockets import CATEGORY, Erasure, found_as


class LoadErasure(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MACE_LoadErasure",
            display_name="Load Erasure",
            category=CATEGORY,
            **found_as("read erasure", "unlearn", "concept erasure"),
            description="Loads an erasure from models/mace. It fits every checkpoint with the same "
            "text encoder.",
            inputs=[
                io.Combo.Input(
                    "name",
                    options=erasure_names(),
                    tooltip="A file in models/mace, from Save Erasure. Press R after adding one.",
                ),
            ],
            outputs=[Erasure.Output(display_name="erasure", tooltip="For Apply Erased Model.")],
        )

    @classmethod
    def validate_inputs(cls, name) -> bool | str:
        if name is not None:
            try:
                erasure_path(name)
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    def fingerprint_inputs(cls, name) -> str:
        """Changes with the file. Never raises, because the host cannot show an error from here."""
        try:
            path = erasure_path(name)
            return f"{path} {os.stat(path).st_mtime_ns}"
        except (ValueError, OSError):
            return "unreadable"

    @classmethod
    @checked("name")
    def execute(cls, name) -> io.NodeOutput:
        return io.NodeOutput(load_erasure(erasure_path(name)))
