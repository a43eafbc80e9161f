"""The host without its server, in this interpreter: for tests that inspect nodes and models.

It cannot be unloaded: `nodes`, `utils` and `server` are the host's modules for the rest of the process.
"""

import asyncio
import importlib
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from dev.host import card
from dev.host.fetch import import_from_host
from dev.host.launch import make_importable
from dev.host.pack_folder import PACK, prepare_folder


@dataclass(frozen=True)
class InProcess:
    """`nodes`: node id -> class, of host and pack. `base`: the folder with models/, output/ and so on."""

    pack: ModuleType
    nodes: Mapping[str, type]
    base: Path

    def module(self, name: str) -> ModuleType:
        """A module of the pack as the host imported it, for example module("nodes.host.patch").

        An absolute `import mace_core` gives a second copy, whose classes differ from those the nodes use.
        """
        return importlib.import_module(f"{self.pack.__name__}.{name}")

    def call(self, node_id: str, **inputs) -> tuple:
        """The outputs of a node, called in inference mode as the executor does (V3 classes wrap theirs)."""
        import torch

        node = self.nodes[node_id]
        with torch.inference_mode():
            if hasattr(node, "define_schema"):
                return node.execute(**inputs).result
            return getattr(node(), node.FUNCTION)(**inputs)


def load_host(base: Path | None = None, on_cpu: bool = True) -> InProcess:
    """Import the host and let it load the pack from its folder, as it does when it starts.

    On a GPU, after `card.prepare()`, it has dynamic VRAM where main.py would enable it.
    """
    base = Path(base or tempfile.mkdtemp(prefix="mace-host-"))
    prepare_folder(base)
    make_importable()
    import_from_host()
    from comfy.cli_args import args

    args.cpu = on_cpu  # before comfy.model_management looks for a device
    args.base_directory = str(base)  # before folder_paths reads it
    if not on_cpu:
        card.start()
    host_nodes = importlib.import_module("nodes")
    folder = str(base / "custom_nodes" / PACK)
    if not asyncio.run(host_nodes.load_custom_node(folder)):
        raise RuntimeError("The host could not load the pack: see its log above.")
    return InProcess(sys.modules[folder.replace(".", "_x_")], host_nodes.NODE_CLASS_MAPPINGS, base)
