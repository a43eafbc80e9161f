"""A separate base folder for a host, with only this pack in it."""

from pathlib import Path

from dev.host.fetch import REPOSITORY

PACK = "mace-concept-erasure"
FOLDERS = ("models/checkpoints", "models/mace", "input", "output", "temp", "user/default", "custom_nodes")


def prepare_folder(base: Path) -> None:
    """Make the host's folders, link the pack in unless it is installed, disable the first-start dialog."""
    for name in FOLDERS:
        (base / name).mkdir(parents=True, exist_ok=True)
    link = base / "custom_nodes" / PACK
    if not link.is_symlink() and not link.exists():
        link.symlink_to(REPOSITORY, target_is_directory=True)
    settings = base / "user" / "default" / "comfy.settings.json"
    if not settings.exists():
        settings.write_text('{"Comfy.TutorialCompleted": true, "Comfy.InstalledVersion": "1.32.9"}')
