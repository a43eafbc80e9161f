"""The host without its server, in this interpreter: for tests that inspect nodes and models.

It cannot be unloaded: `nodes`, `utils` and `server` are the host's modules for the rest of the process.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from dev.host import card
from dev.host.fetch import import_from_host
from dev.host.launch import make_importable
from dev.host.pack_folder import PACK, prepare_folder
from mace_erase.nodes import LoadedNodes, load_nodes


@dataclass(frozen=True)
class InProcess(LoadedNodes):
    """`base`: the folder with models/, output/ and so on."""

    base: Path


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
    loaded = load_nodes(str(base / "custom_nodes" / PACK))
    return InProcess(loaded.pack, loaded.nodes, base)
